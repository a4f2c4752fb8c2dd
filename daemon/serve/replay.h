/* SPDX-License-Identifier: MIT */
/* Replays: bringing in the pages of a named segment that an administrator
 * lists, in their order, as background work.
 *
 * A replay is worked off in pieces: the next PIECE_PAGES pages, sorted and
 * merged so that neighbours are read in one request, are asked of the pager as
 * WILLNEED.  It is a hint and behaves like one: it waits while the pager reads
 * REPLAY_LOADING_UNITS or more for whomever, so that faults find buffers, and
 * ends for good where it would take the pool's last free frames or more than
 * its owner's limits allow.  So it never makes a page leave. */
#ifndef MEMD_SERVE_REPLAY_H
#define MEMD_SERVE_REPLAY_H

#include "common/checks.h"
#include "common/page_order.h"
#include "daemon/pager/pager.h"
#include <stdbool.h>
#include <sys/queue.h>

struct conn;
struct daemon;
struct segment;

enum {
	REPLAYS_MAX = 64,		/* under way at once */
	REPLAYS_OF_USER_MAX = 16,	/* of them, of one owner's segments */
	REPLAY_PIECE_PAGES = 512,
	REPLAY_LOADING_UNITS = 256,
};

/* At most one for each segment: a new one replaces the old. */
struct replay {
	uint32_t segment_number;	/* it may be gone */
	segment_id pager_id;
	uid_t uid;			/* the segment's owner */
	uint32_t session;		/* waits for the reply; may be gone */
	uint64_t request_id;
	uint64_t asked_pages;
	struct page_run *run;		/* what is to come, owned */
	uint32_t run_count, run_idx;
	uint32_t run_page;		/* of run[run_idx]: the next one */
	struct page_run piece[REPLAY_PIECE_PAGES];
	uint32_t piece_count, piece_idx;
	TAILQ_ENTRY(replay) link;
};

struct replays {
	TAILQ_HEAD(, replay) all;	/* the first has the next turn */
	uint32_t count;
	bool is_due;			/* the next piece may be possible */
};

void replays_init(struct replays *rs);
void replays_fini(struct replays *rs);

/* Bring in these pages (which lie inside the segment); `run`, from malloc(),
 * is taken.  The reply goes to `c` when all have been asked for.  0, -ENOMEM,
 * -EBUSY (too many). */
int replay_start(struct daemon *d, struct segment *segment,
		 struct page_run *run, uint32_t run_count, struct conn *c,
		 uint64_t request_id) MUST_CHECK;

/* Do the next piece of one of them, or end it.  The turn only. */
void replay_step(struct daemon *d);

/* The pager has done something: perhaps what a replay waited for. */
static inline void replays_wake(struct replays *rs)
{
	rs->is_due = rs->count != 0;
}

#endif
