/* SPDX-License-Identifier: MIT */
/* Pages that are to be brought in together. */
#ifndef MEMD_PAGER_INTAKE_H
#define MEMD_PAGER_INTAKE_H

#include "daemon/pager/tables.h"

/* Pages to be brought in: from, from + step … (backward: step < 0), `count` of
 * them.  Somebody may wait for the first. */
struct intake {
	segment_id segment;
	uint64_t from;
	int32_t step;
	uint32_t count;
	bool has_waiter;
	/* Of the others, each `ahead`-th is one that a stream expects; 0:
	 * none is. */
	uint32_t ahead;
};

static inline bool intake_is_ahead(const struct intake *in, uint32_t i)
{
	return in->ahead != 0 && i % in->ahead == 0 &&
	       !(i == 0 && in->has_waiter);
}

/* Past the end of the segment where there is no such page. */
static inline uint64_t intake_page(const struct intake *in, uint32_t i)
{
	return in->from + (uint64_t)((int64_t)in->step * i);
}

#endif
