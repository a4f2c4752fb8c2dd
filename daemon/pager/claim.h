/* SPDX-License-Identifier: MIT */
/* Claims: before a page leaves, nobody may be about to use what the book said
 * of it (O1 in book.h).  In a segment without a book every claim succeeds. */
#ifndef MEMD_PAGER_CLAIM_H
#define MEMD_PAGER_CLAIM_H

#include "daemon/pager/tables.h"

/* Claim pages [first, first + count), at most 64.  Returns a bit for each page
 * that could not be claimed, because an intent is open on it. */
uint64_t claim_pages(const struct pager *pg, segment_id segment, uint64_t first,
		     uint32_t count);

/* Claim a page that has no frame.  Returns 0, -EEXIST (it is uncounted), or
 * -EBUSY (an intent is open on it).  On error its entry is as before. */
int claim_absent(const struct pager *pg, segment_id segment,
		 uint64_t page) MUST_CHECK;

/* Claim the pages of `count` runs that are about to be captured.  Those that
 * cannot be claimed are left out, so there may be more runs then:
 * run[PAGER_CAPTURES_MAX].  Returns the number of runs. */
unsigned claim_leaving(struct pager *pg, struct pager_capture *run,
		       unsigned count);

#endif
