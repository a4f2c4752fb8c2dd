/* SPDX-License-Identifier: MIT */
/* The ranges of pages that the program has pinned.  They stay mapped: an Age
 * that names them, because it was sent before the daemon heard of the pin, is
 * not obeyed.  Keeps pages neither in nor mapped by itself: the daemon and
 * request.c do.
 *
 * Threads: the handler.  Allocates nothing. */
#ifndef MEMD_CLIENT_PINNED_H
#define MEMD_CLIENT_PINNED_H

#include "client/region.h"

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

/* Once.  Nothing if it is not there. */
void pinned_remove(struct pinned *pd, const struct region *r, uint64_t first,
		   uint64_t end);

/* All of `r`; NULL: of all regions. */
void pinned_forget(struct pinned *pd, const struct region *r);

/* Is `page` pinned?  *end, which is behind it, is moved down to where it may
 * be otherwise. */
bool pinned_has(const struct pinned *pd, const struct region *r, uint64_t page,
		uint64_t *end);

#endif
