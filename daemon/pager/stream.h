/* SPDX-License-Identifier: MIT */
/* Sequential readers of a segment: which page each will want next, and how
 * far ahead it has earned.  A window doubles while the guess holds and starts
 * again from one page when it does not.  (As Linux mm/readahead.c does for
 * files, kept per segment because several threads may read at once.) */
#ifndef MEMD_PAGER_STREAM_H
#define MEMD_PAGER_STREAM_H

#include <stdint.h>

enum { STREAM_COUNT = 16 };

struct stream {
	uint64_t last;		/* the page it faulted last */
	uint64_t next;		/* the page a sequential reader faults next */
	uint32_t window;	/* pages; 0: unused */
	uint32_t last_use;	/* tick of the set it was last matched */
};

struct stream_set {
	struct stream stream[STREAM_COUNT];
	uint32_t tick;
};

enum stream_mode { STREAM_NORMAL, STREAM_SEQUENTIAL, STREAM_RANDOM };

/* A fault at `page`: how many pages from there on are worth having, 1 …
 * window_max.  The same fault may ask again and gets the same answer.  *ret_hit_count is how many pages brought in ahead turned out
 * to have been right. */
uint32_t stream_window(struct stream_set *set, enum stream_mode mode,
		       uint64_t page, uint32_t window_max,
		       uint32_t *ret_hit_count);

/* Pages up to `next` (exclusive) were made ready for the fault at `page`. */
void stream_advance(struct stream_set *set, uint64_t page, uint64_t next);

#endif
