/* SPDX-License-Identifier: MIT */
/* Replays: bring in the pages of a named segment that an administrator lists,
 * in the order of the list, as background work.
 *
 * The list is cut into pieces of at most REPLAY_PIECE_PAGES (a longer run is a
 * piece of its own).  Each piece is sorted, so that neighbouring pages are read
 * in one request.  The pager gets the runs as advice PAGER_WILLNEED.
 *
 * A replay must not disturb others.  While the pager reads REPLAY_LOADING_UNITS
 * or more, the replay waits, so that faults find buffers.  It ends early if it
 * would take the last free frames of the pool, or exceed the limits of the
 * segment's owner.  So no page is evicted for a replay.
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
	REPLAYS_MAX = 64,		/* in progress at once */
	REPLAY_PIECE_PAGES = 512,
	REPLAY_LOADING_UNITS = 256,
};

/* Pages [first, first + count). */
struct page_run {
	uint64_t first, count;
};

/* A segment has at most one replay: a new one ends the old one. */
struct replay {
	uint32_t segment_number;	/* the segment may be gone */
	uint32_t session;		/* gets the reply; may be gone */
	uint64_t request_id;
	uint64_t asked_pages;
	TAILQ_ENTRY(replay) link;
	uint32_t run_count, run_idx;
	struct page_run run[];		/* runs before run_idx have been asked
					 * for */
};

struct replays {
	/* Borrowed; to be filled in before replays_init(). */
	struct engine *engine;
	struct pending_table *pending;
	const struct segments *segments;
	const struct sessions *sessions;
	struct stats *stats;
	struct deferred *deferred;

	struct deferred_work work;	/* asks for some pages of one replay */
	bool is_stopping;
	bool is_table_full;		/* the table of requests is full */
	TAILQ_HEAD(, replay) all;	/* the first has the next turn */
	uint32_t count;
};

void replays_init(struct replays *rs);
void replays_fini(struct replays *rs);

/* memd stops: each replay ends with its next step. */
void replays_stop(struct replays *rs);

/* Bring in the listed pages that the segment has.  The reply goes to the
 * session of `c` when all have been asked for, or when the replay ends early.
 * Returns 0, -ENOMEM, or -EBUSY (REPLAYS_MAX are in progress). */
int replay_start(struct replays *rs, const struct segment *segment,
		 Memd__Range *const *range, size_t range_count,
		 const struct conn *c, uint64_t request_id) MUST_CHECK;

/* Sort each piece, and merge runs of a piece that touch or overlap.  Returns
 * the number of runs that are left. */
uint32_t replay_sort_runs(struct page_run *run, uint32_t count);

/* The pager has done some work: a replay may be able to go on. */
static inline void replays_wake(struct replays *rs)
{
	if (rs->count != 0)
		defer(rs->deferred, &rs->work);
}

#endif
