/* SPDX-License-Identifier: MIT */
/* Faults that wait: for a frame, or for the I/O of a batch. */
#ifndef MEMD_PAGER_WAITING_H
#define MEMD_PAGER_WAITING_H

#include "daemon/pager/tables.h"

/* Something may have become free.  Returns true when any moved on. */
bool waiting_retry(struct pager *pg);

/* Those who wait for a page of this load, or have one and wait for this one's
 * as well: see what has become of theirs.  `may_hold`: they may go on to wait
 * for the next one. */
void waiting_end_load(struct pager *pg, struct batch *b, bool may_hold);

/* Answer all faults of the segment, which goes, wherever they wait. */
void waiting_fail_segment(struct pager *pg, segment_id segment);

/* Answer those that wait for frames: there will be none. */
void waiting_fail_hopeless(struct pager *pg);

#endif
