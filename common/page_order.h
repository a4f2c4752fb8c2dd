/* SPDX-License-Identifier: MIT */
/* In which order pages came, each page once: runs of neighbours in the order
 * of their first coming, and a set of the pages that are in them.  Knows no
 * segment; a page is a number below PAGE_ORDER_END.
 *
 *   sum of the runs' counts == page_count <= page_max
 *
 * Memory grows with the pages: at most 32 bytes for one that stands alone, 8
 * once sealed.  When there is none, the order takes no more. */
#ifndef MEMD_COMMON_PAGE_ORDER_H
#define MEMD_COMMON_PAGE_ORDER_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>

#define PAGE_ORDER_END	UINT32_MAX

/* Pages [first, first + count); the end is at most PAGE_ORDER_END. */
struct page_run {
	uint32_t first, count;
};

struct page_order {
	struct page_run *run;
	uint32_t run_count, run_capacity;
	uint32_t page_count, page_max;
	uint32_t *seen;			/* open hash of page + 1; 0: free */
	uint32_t seen_size;		/* a power of two, or 0 */
	uint64_t multiplier;		/* of the hash */
	bool is_full;			/* takes no more pages */
};

/* At most page_max pages, 1 to 2^24.  `seed` is to be random where whoever
 * chooses the pages could profit from knowing which of them collide. */
void page_order_init(struct page_order *po, uint32_t page_max, uint64_t seed);
void page_order_fini(struct page_order *po);

/* The page has come.  Returns true when it was not known and is now. */
bool page_order_add(struct page_order *po, uint32_t page);

/* No more pages will come: keep the runs, free the rest. */
void page_order_seal(struct page_order *po);

/* Copy those parts of the runs that lie in [first, first + count), in their
 * order, to `to` (room for run_count).  Returns how many there are. */
uint32_t page_order_clip(const struct page_order *po, uint64_t first,
			 uint64_t count, struct page_run *to);

/* Sort by the first page and merge what touches or overlaps.  Returns how many
 * runs are left. */
uint32_t page_runs_sort(struct page_run *run, uint32_t count);

/* ASSERT the equation, and that every page of a run is in the set (unless
 * sealed) and in no other run.  Slow. */
void page_order_check(const struct page_order *po);

#endif
