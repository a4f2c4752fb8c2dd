/* SPDX-License-Identifier: MIT */
/* Faults that wait for a frame. */
#ifndef MEMD_PAGER_WAITING_H
#define MEMD_PAGER_WAITING_H

#include "daemon/pager/tables.h"

/* Try the waiting faults: frames may have become free.  Returns true if any
 * went on. */
bool waiting_retry(struct pager *pg);

/* A load or a capture has ended.  Go on with the faults of its queue: those
 * that waited for a page of it, and those that have their page and waited for
 * more pages.  With `may_hold` they may wait for the next load, too.  io_ns:
 * when their pages had been read; 0: they were not. */
void waiting_end(struct pager *pg, struct fault_queue *q, bool may_hold,
		 uint64_t io_ns);

/* The batch is stuck: answer its faults with -EBUSY. */
void waiting_fail_batch(struct pager *pg, struct batch *b);

/* The segment goes: answer all its faults with -EFAULT, wherever they wait. */
void waiting_fail_segment(struct pager *pg, segment_id segment);

/* There will be no frames: answer all faults that wait for frames with
 * -ENOMEM. */
void waiting_fail_hopeless(struct pager *pg);

#endif
