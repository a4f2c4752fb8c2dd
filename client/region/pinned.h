/* SPDX-License-Identifier: MIT */
/* The table of pinned ranges of pages.  The library's thread looks into it
 * before it obeys an Age: an Age that was sent before the daemon knew of the
 * pin may name pinned pages, which must stay mapped.  The daemon keeps the
 * pages in memory, and pinning.c maps them; this table does neither.
 *
 * Threads: the library's thread.  Allocates nothing. */
#ifndef MEMD_CLIENT_REGION_PINNED_H
#define MEMD_CLIENT_REGION_PINNED_H

#include "client/region/region.h"

enum { PINNED_RANGES_MAX = 4096 }; /* as many as the daemon allows */

struct pinned_range {
	const struct region *region;
	uint64_t first, end; /* pages */
};

/* In no order.  All zeros is an empty table. */
struct pinned {
	size_t count;
	struct pinned_range range[PINNED_RANGES_MAX];
};

/* Add the range, which may be in the table already.  0 or -ENOMEM. */
int pinned_add(struct pinned *pd, const struct region *r, uint64_t first,
	       uint64_t end) MUST_CHECK;

/* Remove the range once.  Does nothing if it is not in the table. */
void pinned_remove(struct pinned *pd, const struct region *r, uint64_t first,
		   uint64_t end);

/* Remove all ranges of `r`; NULL: of all regions. */
void pinned_forget(struct pinned *pd, const struct region *r);

/* True if `page` is pinned.  The caller sets *end to a page behind `page`.  The
 * function lowers *end so that the answer is the same for all pages from `page`
 * up to *end. */
bool pinned_has(const struct pinned *pd, const struct region *r, uint64_t page,
		uint64_t *end);

#endif
