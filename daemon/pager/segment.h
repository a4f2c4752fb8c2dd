/* SPDX-License-Identifier: MIT */
/* The segment table. */
#ifndef MEMD_PAGER_SEGMENT_H
#define MEMD_PAGER_SEGMENT_H

#include "daemon/pager/tables.h"

/* Units that may be promised: all that pool and store can hold at once. */
uint64_t segment_commit_limit(const struct pager *pg);
/* It is DYING, and nothing keeps it (or, with a negative number, no more). */
void segment_charge_dying(struct pager *pg, const struct pager_segment *sg,
			  int64_t sign);
/* No page of it is left. */
void segment_free(struct pager *pg, segment_id id);
/* Entries of the page table that it has. */
uint64_t segment_table_pages(const struct pager_segment *sg);

#endif
