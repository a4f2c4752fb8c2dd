/* SPDX-License-Identifier: MIT */
/* Taking pages out. */
#ifndef MEMD_PAGER_EVICT_H
#define MEMD_PAGER_EVICT_H

#include "daemon/pager/clock.h"

/* Evict up to `count` neighbouring pages from `first` on, all candidates.
 * Returns how many; 0 when staging is full or the capture failed. */
uint32_t evict_run(struct pager *pg, segment_id segment, uint64_t first,
		   uint32_t count);

/* Evict one batch: about `units` frames (at least one page), of `account` or
 * (0) of anybody.  Returns the frames tried, 0 when there is no victim, no
 * staging, or no hope. */
uint32_t evict_some(struct pager *pg, uint32_t units, account_id account,
		    struct clock_search *search);

#endif
