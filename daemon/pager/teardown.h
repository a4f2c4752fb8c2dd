/* SPDX-License-Identifier: MIT */
/* Taking segments down. */
#ifndef MEMD_PAGER_TEARDOWN_H
#define MEMD_PAGER_TEARDOWN_H

#include "daemon/pager/tables.h"

/* One turn's worth, of all that can go on.  The turn's budget is set by the
 * turn. */
void teardown_run(struct pager *pg);
/* Some I/O of its pages has ended. */
void teardown_wake(struct pager *pg, segment_id segment);

#endif
