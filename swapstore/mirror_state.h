/* SPDX-License-Identifier: MIT */
/* What a mirror is made of, and the states of its requests and copies.
 *
 * A *request* is the owner's.  It is on the list of its state:
 *
 *	          ┌────────────────┐
 *	FREE ─┬─▶ ASKED ─┬─▶ ENDED ─▶ FREE
 *	      │   │ ▲    │    ▲
 *	      │   ▼ │    │    │
 *	      ├─▶ HELD ──┴────┤
 *	      └───────────────┘
 *
 * ASKED: a child has it, or, of a write, both may.  HELD: a read waits for a
 * child to be up, or to have room.
 *
 * A *copy* is of slots that one child has, to the other:
 *
 *	          read                taken
 *	IDLE ───────────▶ READING ─▶ READ ──────▶ WRITING ─▶ IDLE
 *	 ▲                  │         │
 *	 └──────────────────┴─────────┘  it failed, or is void (MI3)
 *
 * In READ it waits until there is room for it.
 *
 * What a child is asked for has as cookie the index of its request, or
 * MIRROR_REQUESTS + that of its copy. */
#ifndef MEMD_SWAPSTORE_MIRROR_STATE_H
#define MEMD_SWAPSTORE_MIRROR_STATE_H

#include "swapstore/mirror_bits.h"
#include "swapstore/mirror_child.h"

#include <sys/queue.h>

enum {
	MIRROR_REQUESTS = 512,
	MIRROR_COPIES = 2,		/* at once */
	MIRROR_COPY_SLOTS = 64,
};

enum mirror_request_state {
	MIRROR_FREE, MIRROR_ASKED, MIRROR_HELD, MIRROR_ENDED, MIRROR_STATES,
};

struct mirror_request {
	enum mirror_request_state state;	/* mirror_request_enter() */
	struct swap_io io;
	uint32_t at;			/* read: slots that are there */
	uint32_t run;			/* read: slots after these that a
					 * child was asked for */
	bool is_careful;		/* read: one slot at a time, to find
					 * which one its child does not have */
	uint64_t epoch;			/* read: of the child, when asked */
	unsigned asked;			/* write: children that have it */
	int result;
	TAILQ_ENTRY(mirror_request) link;
};

TAILQ_HEAD(mirror_requests, mirror_request);

enum mirror_copy_state { COPY_IDLE, COPY_READING, COPY_READ, COPY_WRITING };

struct mirror_copy {
	enum mirror_copy_state state;
	bool is_void;			/* MI3: not to be written */
	uint8_t to;			/* child */
	uint32_t slot, count;
	void *bytes;			/* MIRROR_COPY_SLOTS slots */
};

struct store_mirror {
	struct swapstore base;
	struct store_mirror_child child[STORE_MIRROR_CHILDREN];
	uint64_t epoch[STORE_MIRROR_CHILDREN];
	struct mirror_bits bits;	/* MI1 */
	int epoll_fd;
	int ended_fd;			/* readable while any has ENDED */
	unsigned slow;			/* child that last had no room */
	/* Reads for which the other one is asked, if it can be. */
	unsigned spared[STORE_MIRROR_CHILDREN];

	struct mirror_request *requests;
	struct mirror_requests in[MIRROR_STATES];
	uint32_t held_count;

	struct mirror_copy copy[MIRROR_COPIES];
	uint32_t copy_cursor;		/* where to look for the next one */
	uint32_t careful_count;		/* the next copies of one slot */
	uint64_t copied_slots;
	uint64_t lost_slots[STORE_MIRROR_CHILDREN];
};

static inline bool mirror_is_up(const struct store_mirror *sm, unsigned c)
{
	return sm->child[c].is_up(sm->child[c].store);
}

#endif
