/* SPDX-License-Identifier: MIT */
/* Replays: bring in the pages of a named segment that an administrator lists,
 * in the order of the list, as background work.
 *
 * The list is cut into pieces of at most REPLAY_PIECE_PAGES (a longer run is a
 * piece of its own).  Each piece is sorted, so that neighbouring pages are read
 * in one request.  The pager gets the runs as advice PAGER_FETCH, a few at a
 * time; the ends of these count what has come in.
 *
 * A replay must not disturb others.  While REPLAY_LOADING_UNITS or more are
 * being read, by the pager or for replays, it waits, so that faults find
 * buffers.  It takes only frames that are free above the high watermark, up to
 * which the pager frees them: so no page is evicted for a replay, and none that
 * it has brought in for another one.  It ends early if it would take more, or
 * exceed the limits of the segment's owner, or if nobody awaits its reply any
 * more.
 *
 *   count == replays on the list <= REPLAYS_MAX
 *   fetches == sum of their fetches <= REPLAY_FETCHES_MAX
 *   fetching_units == units of the pages in these */
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
struct pending_entry;
struct pending_table;
struct segment;
struct segments;
struct sessions;
struct stats;

enum {
	REPLAYS_MAX = 64,		/* in progress at once */
	REPLAY_PIECE_PAGES = 512,
	REPLAY_LOADING_UNITS = 256,
	REPLAY_FETCHES_MAX = 64,	/* asked of the pager at once */
};

/* Pages [first, first + count). */
struct page_run {
	uint64_t first, count;
};

/* A segment has at most one replay that is not ending: a new one ends the old
 * one.  Pages that were asked for are being fetched, or have been counted:
 *
 *   asked_pages >= read_pages + there_pages */
struct replay {
	uint32_t segment_number;	/* the segment may be gone */
	unsigned order;			/* of its pages */
	uint32_t session;		/* gets the reply; may be gone */
	uint64_t request_id;
	uint64_t asked_pages;
	uint64_t read_pages;		/* brought in */
	uint64_t there_pages;		/* there was nothing to read */
	uint32_t fetches;
	bool is_ending;			/* the reply is due when all fetches
					 * have ended */
	bool is_short;			/* there was no room for the rest */
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
	TAILQ_HEAD(, replay) all;	/* the first has the next turn */
	uint32_t count;
	uint32_t fetches;
	uint64_t fetching_units;
};

void replays_init(struct replays *rs);
void replays_fini(struct replays *rs);

/* memd stops: each replay ends with its next step. */
void replays_stop(struct replays *rs);

/* Bring in the listed pages that the segment has.  The reply goes to the
 * session of `c` when all are there, or when the replay ends early.
 * Returns 0, -ENOMEM, or -EBUSY (REPLAYS_MAX are in progress). */
int replay_start(struct replays *rs, const struct segment *segment,
		 Memd__Range *const *range, size_t range_count,
		 const struct conn *c, uint64_t request_id) MUST_CHECK;

/* The pager has ended a fetch (PENDING_REPLAY): `read` pages were read, and
 * `left` are not in memory, or it has failed (-errno).  Called from inside the
 * pager. */
void replay_fetched(struct replays *rs, const struct pending_entry *e,
		    int left, uint64_t read);

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
