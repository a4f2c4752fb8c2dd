/* SPDX-License-Identifier: MIT */
/* Teardown: takes segments down. */
#ifndef MEMD_PAGER_TEARDOWN_H
#define MEMD_PAGER_TEARDOWN_H

#include "daemon/pager/tables.h"

/* Work on the segments in pager.dying, as far as pager.teardown_budget goes.
 * pager_run() sets the budget. */
void teardown_run(struct pager *pg);
/* Some I/O of the segment's pages has ended. */
void teardown_wake(struct pager *pg, segment_id segment);

#endif
