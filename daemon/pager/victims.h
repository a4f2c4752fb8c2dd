/* SPDX-License-Identifier: MIT */
/* What the replacement policy (daemon/replace) asks of the pager: whether a
 * page may leave, and that programs unmap it. */
#ifndef MEMD_PAGER_VICTIMS_H
#define MEMD_PAGER_VICTIMS_H

#include "daemon/pager/tables.h"

extern const struct replace_owner victims_owner;

/* True if the page, which has a frame, may be evicted. */
bool victim_may_go(const struct pager *pg, page_id id);

/* victims_age() asks the clients that map the page to unmap it; it may delay
 * this, to ask for a run of pages together.  victims_age_flush() asks at
 * once. */
void victims_age(struct pager *pg, segment_id segment, uint64_t page);
void victims_age_flush(struct pager *pg);

#endif
