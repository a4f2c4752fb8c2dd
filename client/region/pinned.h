/* SPDX-License-Identifier: MIT */
/* The ranges of pages that the program has pinned: a table that the handler
 * looks into before it obeys an Age.  An Age may name pinned pages if it was
 * sent before the daemon heard of the pin; they stay mapped.  The table itself
 * keeps no page in memory (the daemon does) and maps none (pinning.c does).
 *
 * Threads: the handler.  Allocates nothing. */
#ifndef MEMD_CLIENT_REGION_PINNED_H
#define MEMD_CLIENT_REGION_PINNED_H

#include "client/region/region.h"

enum { PINNED_RANGES_MAX = 4096 }; /* as many as a daemon allows */

struct pinned_range {
	const struct region *region;
	uint64_t first, end; /* pages */
};

/* In no order; all zeros is an empty one. */
struct pinned {
	size_t count;
	struct pinned_range range[PINNED_RANGES_MAX];
};

/* 0, or -ENOMEM.  The same range may be there more than once. */
int pinned_add(struct pinned *pd, const struct region *r, uint64_t first,
	       uint64_t end) MUST_CHECK;

/* Remove the range once.  Nothing happens if it is not there. */
void pinned_remove(struct pinned *pd, const struct region *r, uint64_t first,
		   uint64_t end);

/* Remove all ranges of `r`; NULL: of all regions. */
void pinned_forget(struct pinned *pd, const struct region *r);

/* Is `page` pinned?  The pages from `page` up to *end are so too, or are not:
 * *end, which the caller sets behind `page`, is lowered to make that true. */
bool pinned_has(const struct pinned *pd, const struct region *r, uint64_t page,
		uint64_t *end);

#endif
