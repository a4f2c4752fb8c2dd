/* SPDX-License-Identifier: MIT */
/* Streams: readers of a segment that go in equal steps.  This file decides
 * which pages a reader will want next, and how far ahead of it to read.
 * ahead.c reads them, when there is room.
 *
 * A stream begins after two faults in a row that are one page apart, or three
 * at any equal distance, forward or backward.  Several readers may be
 * interleaved.  The window starts at 8 pages, and doubles each time that the
 * reader has come as far as was guessed.  A reader that goes elsewhere begins a
 * new stream.  If many pages were read in vain, windows become smaller.
 *
 * Everything is counted in steps from `last`, the page that the reader is known
 * to have reached:
 *
 *   last      mark          ahead        goal
 *    ├──────────┼─────────────┼────────────┤      mark, ahead <= goal
 *    └ known    └ here the    └ started    └ wanted
 *                 next window
 *                 is due
 *
 * If steps are of a few pages, the pages between are read too (*densely*): one
 * large request costs the disk less than many small ones.
 *
 * The mark is near the middle of the latest window, so that the next window is
 * under way before this one is used up. */
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
	uint32_t client;	/* the client to tell; 0: none */
	uint32_t last_use;	/* tick of the set at the last match */
	bool is_marked;		/* the client was told of the mark */
	/* The reader waits for pages that are being read ahead. */
	bool is_chasing;
	/* It was not told of some that came in meanwhile. */
	bool has_untold;
};

struct stream_set {
	struct stream stream[STREAM_COUNT];
	uint64_t recent[STREAM_RECENT];	/* page + 1; 0: none */
	uint32_t recent_next;
	uint32_t tick;
	/* How many of the pages read ahead lately were used, and how many were
	 * not. */
	uint32_t hit_count, wasted_count;
};

/* How many neighbouring pages are read for each step: 1 if the steps are too
 * long to read densely. */
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

/* A fault at `page`.  Returns its stream, with the goal moved if that was due,
 * or NULL.  The same fault may call this again, which changes nothing.
 * *ret_passed is the number of steps that the stream has moved on: that many
 * pages, up to `page`, have been used. */
struct stream *stream_fault(struct stream_set *set, enum stream_mode mode,
			    uint64_t page, uint32_t window_max,
			    uint32_t *ret_passed);

/* There was a fault at `page`, of which the pager hears only now: nothing is
 * read ahead for it, but the next ones may make a stream with it. */
void stream_note(struct stream_set *set, uint64_t page);

/* The client has touched pages [first, first + count), whose bytes were there
 * already.  Returns a stream whose mark is among these pages, moved on; or
 * NULL.  The caller repeats the call until it returns NULL. */
struct stream *stream_touched(struct stream_set *set, uint64_t first,
			      uint64_t count, uint32_t window_max,
			      uint32_t *ret_passed);

/* The stream that has `page` ahead of its reader (started), or NULL. */
struct stream *stream_find(struct stream_set *set, uint64_t page);

/* The stream whose reader is at `page`, or NULL. */
struct stream *stream_at(struct stream_set *set, uint64_t page);

/* The page `count` steps behind `last`.  UINT64_MAX if it would be below page
 * 0.  The caller must check for the end of the segment. */
uint64_t stream_page(const struct stream *st, uint32_t count);

/* Pages [first, first + count) are about to be shown to the client.  Returns
 * the page that the client must leave unmapped, as the stream's mark, or
 * UINT64_MAX.  `avoid` is never chosen. */
uint64_t stream_choose_mark(struct stream_set *set, uint64_t first,
			    uint64_t count, uint64_t avoid);

/* The reader will be `count` steps further before it is heard of again.  True
 * if this has moved the goal. */
bool stream_expect(struct stream_set *set, struct stream *st, uint32_t count,
		   uint32_t window_max);

/* No more than what was started can be read for now. */
void stream_stop(struct stream *st);

/* The reader goes another way: end the stream. */
void stream_drop(struct stream *st);

/* Count pages read ahead that were used, and that were not. */
void stream_count_use(struct stream_set *set, uint32_t hits, uint32_t wasted);

/* ASSERT the relations above. */
void stream_check(const struct stream_set *set);

#endif
