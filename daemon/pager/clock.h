/* SPDX-License-Identifier: MIT */
/* The clock: chooses which page is evicted next. */
#ifndef MEMD_PAGER_CLOCK_H
#define MEMD_PAGER_CLOCK_H

#include "daemon/pager/tables.h"

/* The search of one turn; all looks at frames are counted. */
struct clock_search {
	uint32_t looks_left;
	bool is_cut_short;		/* stopped by looks_left */
	/* Looked at all frames and found none. */
	bool is_vain;
};

/* True if the page, which has a frame, may be evicted. */
bool clock_is_candidate(const struct pager *pg, page_id id);

/* The next frame to evict, of `account` or of any account (0).  Returns 0 if
 * there is none, or none was found before the search was cut short. */
frame_id clock_next(struct pager *pg, account_id account,
		    struct clock_search *search);

/* clock_age() asks the clients that map the page to unmap it; it may delay
 * this, to ask for a run of pages together.  clock_age_flush() asks at once. */
void clock_age(struct pager *pg, segment_id segment, uint64_t page);
void clock_age_flush(struct pager *pg);

#endif
