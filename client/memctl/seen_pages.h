/* SPDX-License-Identifier: MIT */
/* A set of pages of one segment: an open hash that only grows.  A page is a
 * number below UINT32_MAX.
 *
 *   occupied cells == count <= count_max, and count <= cell_count / 2
 *
 * It takes 8 to 16 bytes for each page. */
#ifndef MEMD_MEMCTL_SEEN_PAGES_H
#define MEMD_MEMCTL_SEEN_PAGES_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>

struct seen_pages {
	uint32_t *cell;			/* page + 1; 0: free */
	uint32_t cell_count;		/* a power of two, or 0 */
	uint32_t count, count_max;
	bool is_full;			/* no more pages can be added */
};

/* An empty set for at most count_max pages, 1 to 2^24. */
void seen_pages_init(struct seen_pages *sp, uint32_t count_max);
void seen_pages_fini(struct seen_pages *sp);

/* Add a page.  True: it is new.  If there is no room or no memory for it, the
 * set is full from then on. */
bool seen_pages_add(struct seen_pages *sp, uint32_t page);

/* ASSERT the equation above.  Slow. */
void seen_pages_check(const struct seen_pages *sp);

#endif
