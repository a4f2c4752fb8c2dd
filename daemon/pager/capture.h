/* SPDX-License-Identifier: MIT */
/* Captures: taking pages out of their data files, and what becomes of them. */
#ifndef MEMD_PAGER_CAPTURE_H
#define MEMD_PAGER_CAPTURE_H

#include "daemon/pager/batch.h"

/* Capture the runs, whose pages are RESIDENT, into an EVICT batch that has
 * staging and no pages yet: run[i].to is in its staging, one run behind the
 * other.  The pages that must be written become pages of the batch.  Returns
 * how many pages are out, or will be. */
uint32_t capture_runs(struct pager *pg, batch_id id, struct pager_capture *run,
		      unsigned count);

/* Take pages [first, first + count) out of the data file; their bytes are not
 * needed.  None of them is busy.  At most BATCH_DROPS_MAX.
 *
 * Returns 0: they are out, and the caller forgets them; -EINPROGRESS: those
 * that have a frame are EVICTING, and become ZERO when they are out; -EAGAIN,
 * -EBUSY: as in struct pager_ops. */
int capture_drop(struct pager *pg, segment_id segment, uint64_t first,
		 uint64_t count) MUST_CHECK;

/* The ticket of this CAPTURE batch has ended: its pages leave it, and it goes
 * on as an EVICT batch with those that must be written.  *ret_was: what it was,
 * with the faults that wait for it.  False: there is no staging now. */
bool capture_finish(struct pager *pg, batch_id id, struct batch *ret_was)
	MUST_CHECK;

/* Frames that are free, or will be soon (C3). */
uint64_t capture_coming_units(const struct pager *pg);

/* The ticket may never end.  /  It has ended after all. */
void capture_set_stuck(struct pager *pg, batch_id id, bool is_stuck);

#endif
