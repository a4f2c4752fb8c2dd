/* SPDX-License-Identifier: MIT */
/* Teardown: takes segments down. */
#ifndef MEMD_PAGER_TEARDOWN_H
#define MEMD_PAGER_TEARDOWN_H

#include "daemon/pager/tables.h"

/* Work on the segments in pager.dying, as far as pager.teardown_budget goes.
 * pager_run() sets the budget. */
void teardown_run(struct pager *pg);
/* Try again to take down the segments in pager.parked. */
void teardown_retry_parked(struct pager *pg);
/* Some I/O or capture of the segment's pages has ended, or is stuck. */
void teardown_wake(struct pager *pg, segment_id segment);

#endif
