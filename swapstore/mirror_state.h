/* SPDX-License-Identifier: MIT */
/* The state of a mirror, and of its requests and copies.
 *
 * A *request* comes from the owner.  It is on the list of its state:
 *
 *	          ┌────────────────┐
 *	FREE ─┬─▶ ASKED ─┬─▶ ENDED ─▶ FREE
 *	      │   │ ▲    │    ▲
 *	      │   ▼ │    │    │
 *	      ├─▶ HELD ──┴────┤
 *	      └───────────────┘
 *
 * ASKED: one child has the request; if it is a write, both may.  HELD: a read
 * waits until a child is up, or has room.
 *
 * A *copy* copies slots from the child that has them to the other:
 *
 *	          read                taken
 *	IDLE ───────────▶ READING ─▶ READ ──────▶ WRITING ─▶ IDLE
 *	 ▲                  │         │
 *	 └──────────────────┴─────────┘  it failed, or is void (MI3)
 *
 * A copy in READ waits until the other child has room.
 *
 * The cookie of an I/O at a child is the index of its request, or
 * MIRROR_REQUESTS + the index of its copy. */
#ifndef MEMD_SWAPSTORE_MIRROR_STATE_H
#define MEMD_SWAPSTORE_MIRROR_STATE_H

#include "swapstore/mirror_bits.h"
#include "swapstore/mirror_child.h"

#include <sys/queue.h>

enum {
	MIRROR_REQUESTS = 512,
	MIRROR_COPIES = 2,		/* at the same time */
	MIRROR_COPY_SLOTS = 64,
};

enum mirror_request_state {
	MIRROR_FREE, MIRROR_ASKED, MIRROR_HELD, MIRROR_ENDED, MIRROR_STATES,
};

struct mirror_request {
	/* Changed by mirror_request_enter(). */
	enum mirror_request_state state;
	struct swap_io io;
	uint32_t at;			/* read: slots that are read already */
	/* read: slots behind these that a child is reading */
	uint32_t run;
	/* read: one slot at a time, to find the one that the child does not
	 * have */
	bool is_careful;
	/* read: epoch of the child when asked */
	uint64_t epoch;
	/* write: bits of the children that have it */
	unsigned asked;
	int result;
	TAILQ_ENTRY(mirror_request) link;
};

TAILQ_HEAD(mirror_requests, mirror_request);

enum mirror_copy_state { COPY_IDLE, COPY_READING, COPY_READ, COPY_WRITING };

struct mirror_copy {
	enum mirror_copy_state state;
	bool is_void;			/* MI3: must not be written */
	uint8_t to;			/* the child that gets the copy */
	uint32_t slot, count;
	void *bytes;			/* MIRROR_COPY_SLOTS slots */
};

struct store_mirror {
	struct swapstore base;
	struct store_mirror_child child[STORE_MIRROR_CHILDREN];
	uint64_t epoch[STORE_MIRROR_CHILDREN];
	struct mirror_bits bits;	/* MI1 */
	int epoll_fd;
	int ended_fd;			/* readable while a request is ENDED */
	unsigned slow;			/* the child that last had no room */
	/* For how many more reads the other child is preferred. */
	unsigned spared[STORE_MIRROR_CHILDREN];

	struct mirror_request *requests;
	struct mirror_requests in[MIRROR_STATES];
	uint32_t held_count;

	struct mirror_copy copy[MIRROR_COPIES];
	uint32_t copy_cursor;		/* where to look for the next copy */
	/* The next copies that must be of one slot. */
	uint32_t careful_count;
	uint64_t copied_slots;
	uint64_t lost_slots[STORE_MIRROR_CHILDREN];
};

static inline bool mirror_is_up(const struct store_mirror *sm, unsigned c)
{
	return sm->child[c].is_up(sm->child[c].store);
}

#endif
