/* SPDX-License-Identifier: MIT */
/* What store_mirror.c, mirror_request.c and mirror_copy.c share.
 *
 * What a child is asked for has as cookie the index of its request, or
 * MIRROR_REQUESTS + that of its copy. */
#ifndef MEMD_SWAPSTORE_STORE_MIRROR_INTERNAL_H
#define MEMD_SWAPSTORE_STORE_MIRROR_INTERNAL_H

#include "swapstore/mirror_bits.h"
#include "swapstore/store_mirror.h"

#include <sys/queue.h>

enum {
	MIRROR_REQUESTS = 512,
	MIRROR_COPIES = 2,		/* at once */
	MIRROR_COPY_SLOTS = 64,
	MIRROR_SPARED_READS = 1024,	/* of who could not read */
};

struct mirror_request {
	struct swap_io io;
	uint32_t at;			/* read: slots that are there */
	uint32_t run;			/* read: slots after these that a
					 * child was asked for */
	bool is_careful;		/* read: one slot at a time, to find
					 * which one its child does not have */
	uint64_t epoch;			/* read: of the child, when asked */
	unsigned asked;			/* write: children that have it */
	int result;
	STAILQ_ENTRY(mirror_request) link;
};

STAILQ_HEAD(mirror_requests, mirror_request);

/*            read                 taken
 *   IDLE ──────────▶ READING ─▶ READ ──────▶ WRITING ──▶ IDLE
 *
 * In READ it waits until there is room for it. */
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
	int ended_fd;			/* readable while any has ended */
	unsigned slow;			/* child that last had no room */
	/* Reads for which the other one is asked, if it can be. */
	unsigned spared[STORE_MIRROR_CHILDREN];

	/* A request is in one of these, or with a child. */
	struct mirror_request *requests;
	struct mirror_requests free, ended;
	struct mirror_requests held;	/* reads, for a child to be up or to
					 * have room */
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

/* ---- mirror_request.c */

/* It ends at once, or is with a child, or held. */
void mirror_read_start(struct store_mirror *sm, struct mirror_request *rq);
void mirror_read_ended(struct store_mirror *sm, struct mirror_request *rq,
		       unsigned c, int result);
/* Those that can go on. */
void mirror_held_start(struct store_mirror *sm);
/* 0, or -EAGAIN: no child has taken it. */
int mirror_write_start(struct store_mirror *sm,
		       struct mirror_request *rq) MUST_CHECK;
void mirror_write_ended(struct store_mirror *sm, struct mirror_request *rq,
			unsigned c, int result);

/* ---- mirror_copy.c */

int mirror_copies_init(struct store_mirror *sm) MUST_CHECK;
void mirror_copies_fini(struct store_mirror *sm);
/* Start what is to be done. */
void mirror_copies_start(struct store_mirror *sm);
void mirror_copy_ended(struct store_mirror *sm, unsigned which, int result);
/* These slots are written, discarded or lost: MI3. */
void mirror_copies_void(struct store_mirror *sm, uint32_t slot, uint32_t count);

#endif
