/* SPDX-License-Identifier: MIT */
/* An intake: pages of one segment that are brought in together. */
#ifndef MEMD_PAGER_INTAKE_H
#define MEMD_PAGER_INTAKE_H

#include "daemon/pager/tables.h"

/* The pages from, from + step, … (`count` of them; step < 0: backward).
 * has_waiter: a fault or a PIN waits for the first page. */
struct intake {
	segment_id segment;
	uint64_t from;
	int32_t step;
	uint32_t count;
	bool has_waiter;
	/* A stream expects every `ahead`-th page; the pages between come along.
	 * 0: the intake is not readahead. */
	uint32_t ahead;
};

static inline bool intake_is_ahead(const struct intake *in, uint32_t i)
{
	return in->ahead != 0 && i % in->ahead == 0 &&
	       !(i == 0 && in->has_waiter);
}

/* The index of page `i`.  It is past the end of the segment if there is no such
 * page. */
static inline uint64_t intake_page(const struct intake *in, uint32_t i)
{
	return in->from + (uint64_t)((int64_t)in->step * i);
}

#endif
