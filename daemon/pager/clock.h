/* SPDX-License-Identifier: MIT */
/* The clock: which page is evicted next. */
#ifndef MEMD_PAGER_CLOCK_H
#define MEMD_PAGER_CLOCK_H

#include "daemon/pager/tables.h"

/* One turn's search, all of whose looks at frames are counted. */
struct clock_search {
	uint32_t looks_left;
	bool is_cut_short;		/* it has not come to its end */
	bool is_vain;			/* it has, and found nothing */
};

/* May the page, which has a frame, be taken out? */
bool clock_is_candidate(const struct pager *pg, page_id id);

/* The next frame to evict, of `account` or (0) of anybody.  0: there is none,
 * or none has been found before the search was cut short. */
frame_id clock_next(struct pager *pg, account_id account,
		    struct clock_search *search);

/* Ask whoever maps the page to unmap it, soon; and now. */
void clock_age(struct pager *pg, segment_id segment, uint64_t page);
void clock_age_flush(struct pager *pg);

#endif
