/* SPDX-License-Identifier: MIT */
/* The segment table. */
#ifndef MEMD_PAGER_SEGMENT_H
#define MEMD_PAGER_SEGMENT_H

#include "daemon/pager/tables.h"

/* The most units that may be committed: pool and store together, less a reserve
 * and the quarantined slots. */
uint64_t segment_commit_limit(const struct pager *pg);
/* Count (sign 1) or no longer count (-1) the segment's units among those that
 * will go soon: it is DYING, and ops.capture has not refused. */
void segment_charge_dying(struct pager *pg, const struct pager_segment *sg,
			  int64_t sign);
/* Free the entry of a DYING segment that has no pages left. */
void segment_free(struct pager *pg, segment_id id);
/* The number of entries in the page table that belong to the segment. */
uint64_t segment_table_pages(const struct pager_segment *sg);

#endif
