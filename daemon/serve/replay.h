/* SPDX-License-Identifier: MIT */
/* Replays: bringing in the pages of a named segment that an administrator
 * lists, in their order, as background work.
 *
 * The list is cut into pieces of REPLAY_PIECE_PAGES at most (a longer run is a
 * piece of its own), and each piece is sorted, so that neighbours are read in
 * one request.  The pager is asked for its runs as WILLNEED.  A replay is a
 * hint and behaves like one: it waits while the pager reads
 * REPLAY_LOADING_UNITS or more for whomever, so that faults find buffers, and
 * ends for good where it would take the pool's last free frames or more than
 * the limits of the segment's owner allow.  So no page leaves for a replay.
 *
 *   count == replays on the list <= REPLAYS_MAX */
#ifndef MEMD_SERVE_REPLAY_H
#define MEMD_SERVE_REPLAY_H

#include "common/checks.h"
#include "common/deferred.h"
#include "proto/memd.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;
struct engine;
struct pending_table;
struct segment;
struct segments;
struct sessions;
struct stats;

enum {
	REPLAYS_MAX = 64,		/* under way at once */
	REPLAY_PIECE_PAGES = 512,
	REPLAY_LOADING_UNITS = 256,
};

/* Pages [first, first + count). */
struct page_run {
	uint64_t first, count;
};

/* At most one for each segment: a new one ends the old. */
struct replay {
	uint32_t segment_number;	/* it may be gone */
	uint32_t session;		/* waits for the reply; may be gone */
	uint64_t request_id;
	uint64_t asked_pages;
	TAILQ_ENTRY(replay) link;
	uint32_t run_count, run_idx;
	struct page_run run[];		/* from run_idx on: to be asked for */
};

struct replays {
	/* Borrowed; to be filled in before replays_init(). */
	struct engine *engine;
	struct pending_table *pending;
	const struct segments *segments;
	const struct sessions *sessions;
	struct stats *stats;
	struct deferred *deferred;

	struct deferred_work work;	/* some pages of one of them */
	bool is_stopping;
	bool is_table_full;		/* of requests */
	TAILQ_HEAD(, replay) all;	/* the first has the next turn */
	uint32_t count;
};

void replays_init(struct replays *rs);
void replays_fini(struct replays *rs);

/* memd stops: all of them end with their next step. */
void replays_stop(struct replays *rs);

/* Bring in those of the pages that the segment has.  The reply goes to the
 * session of `c` when all have been asked for, or the replay has ended.
 * 0, -ENOMEM, -EBUSY (too many). */
int replay_start(struct replays *rs, const struct segment *segment,
		 Memd__Range *const *range, size_t range_count,
		 const struct conn *c, uint64_t request_id) MUST_CHECK;

/* Sort each piece, and merge what touches or overlaps in it.  Returns how many
 * runs are left. */
uint32_t replay_sort_runs(struct page_run *run, uint32_t count);

/* The pager has done something: perhaps what a replay waited for. */
static inline void replays_wake(struct replays *rs)
{
	if (rs->count != 0)
		defer(rs->deferred, &rs->work);
}

#endif
