/* SPDX-License-Identifier: MIT */
/* Readers of a segment that go in equal steps: which pages each will want
 * next, and how far ahead of it to read.  Policy only: what is read, when
 * there is room for it, is ahead.c's business.
 *
 * A reader is known by two faults in a row (one page apart) or three (any
 * equal distance, forward or backward); several may be interleaved.  Its
 * window starts at 8 pages and doubles each time that the reader has come as
 * far as was guessed.  One that goes elsewhere starts anew, and where many
 * pages were read in vain windows become smaller.
 *
 * Everything is counted in steps from `last`, the page that the reader is
 * known to have reached:
 *
 *   last      mark          ahead        goal
 *    ├──────────┼─────────────┼────────────┤      mark, ahead <= goal
 *    └ known    └ once here,  └ started    └ wanted
 *               the next
 *               window is due
 *
 * Steps of a few pages are read *densely*, with what lies between: one large
 * request costs the disk less than many small ones.
 *
 * The mark is about the middle of the latest window, so that the next one is
 * under way before this one has been used up. */
#ifndef MEMD_PAGER_STREAM_H
#define MEMD_PAGER_STREAM_H

#include <stdbool.h>
#include <stdint.h>

enum {
	STREAM_COUNT = 16,
	STREAM_RECENT = 32,		/* faults that belong to no stream */
	STREAM_STEP_MAX = 1024,		/* pages */
	STREAM_DENSE_MAX = 2,		/* pages */
	STREAM_WINDOW_FIRST = 8,
};

struct stream {
	uint64_t last;
	int32_t step;		/* pages; negative: backward; 0: unused */
	uint32_t window;	/* steps */
	uint32_t mark;		/* steps; 0: none */
	uint32_t ahead, goal;	/* steps */
	uint32_t client;	/* who is to be told; 0: nobody */
	uint32_t last_use;	/* tick of the set it was last matched */
	bool is_marked;		/* the client was told of the mark */
	bool is_chasing;	/* the reader waits for what is read ahead */
};

struct stream_set {
	struct stream stream[STREAM_COUNT];
	uint64_t recent[STREAM_RECENT];	/* page + 1; 0: none */
	uint32_t recent_next;
	uint32_t tick;
	/* Pages read ahead that were used and that were not, lately. */
	uint32_t hit_count, wasted_count;
};

/* How many neighbours are to be read for each step: 1 where the steps are too
 * long for it. */
static inline uint32_t stream_span(const struct stream *st)
{
	uint32_t size = (uint32_t)(st->step < 0 ? -st->step : st->step);

	return size <= STREAM_DENSE_MAX ? size : 1;
}

static inline bool stream_is_dense(const struct stream *st)
{
	return st->step >= -STREAM_DENSE_MAX && st->step <= STREAM_DENSE_MAX;
}

enum stream_mode { STREAM_NORMAL, STREAM_SEQUENTIAL, STREAM_RANDOM };

/* A fault at `page`.  Returns the stream it belongs to, its goal moved if it
 * was due, or NULL.  The same fault may ask again and changes nothing.
 * *ret_passed is how many steps the stream has moved on: that many pages, up
 * to `page`, have been used. */
struct stream *stream_fault(struct stream_set *set, enum stream_mode mode,
			    uint64_t page, uint32_t window_max,
			    uint32_t *ret_passed);

/* The client has touched pages [first, first + count), whose bytes were there
 * before it asked.  Returns a stream whose mark is among them, moved on, or
 * NULL.  Call until NULL. */
struct stream *stream_touched(struct stream_set *set, uint64_t first,
			      uint64_t count, uint32_t window_max,
			      uint32_t *ret_passed);

/* The stream that has `page` ahead of it (started), or NULL. */
struct stream *stream_find(struct stream_set *set, uint64_t page);

/* The stream whose reader is at `page`, or NULL. */
struct stream *stream_at(struct stream_set *set, uint64_t page);

/* The page `count` steps behind `last`; UINT64_MAX when there is none that
 * low.  (One that is too high is for the caller to see.) */
uint64_t stream_page(const struct stream *st, uint32_t count);

/* Pages [first, first + count) are about to be shown to the client.  Returns
 * the one that it must leave unmapped, as the stream's mark, or UINT64_MAX.
 * `avoid` is never chosen. */
uint64_t stream_choose_mark(struct stream_set *set, uint64_t first,
			    uint64_t count, uint64_t avoid);

/* The reader will be `count` steps further before it is heard of again.
 * Returns true when that has moved the goal. */
bool stream_expect(struct stream_set *set, struct stream *st, uint32_t count,
		   uint32_t window_max);

/* No more than what was started can be had for now. */
void stream_stop(struct stream *st);

/* Its reader goes another way. */
void stream_drop(struct stream *st);

/* Pages read ahead were used, or left unused. */
void stream_count_use(struct stream_set *set, uint32_t hits, uint32_t wasted);

/* ASSERTs what is said above. */
void stream_check(const struct stream_set *set);

#endif
