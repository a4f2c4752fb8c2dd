/* SPDX-License-Identifier: MIT */
/* Eviction: takes pages out. */
#ifndef MEMD_PAGER_EVICT_H
#define MEMD_PAGER_EVICT_H

#include "daemon/pager/tables.h"

/* Evict up to `count` neighbouring pages from `first` on, which must all be
 * candidates (victim_may_go()).  Returns how many are out, or will be; 0
 * if staging is full or the capture failed. */
uint32_t evict_run(struct pager *pg, segment_id segment, uint64_t first,
		   uint32_t count);

/* Evict one batch: about `units` frames (at least one page) of `account`, or of
 * any account (0).  Returns the number of frames tried.  0: there is no victim
 * or no staging, or the whole pool was tried lately and nothing could go, or
 * captures of all its pages are refused. */
uint32_t evict_some(struct pager *pg, uint32_t units, account_id account,
		    struct replace_search *search);

#endif
