/* SPDX-License-Identifier: MIT */
/* Batches: I/O of a run of pages. */
#ifndef MEMD_PAGER_BATCH_H
#define MEMD_PAGER_BATCH_H

#include "daemon/pager/tables.h"

/* The result of a batch whose requests have all ended. */
enum batch_end {
	BATCH_GOES_ON,		/* more requests were submitted */
	/* Bytes must go back, but there is no memory now. */
	BATCH_STARVED,
	BATCH_SETTLED,		/* nothing is left to do for any page */
};

/* True if there is a batch of kind LOAD or EVICT. */
bool batch_has_room(const struct pager *pg);
/* Take a batch; 0: there is none. */
batch_id batch_get(struct pager *pg, enum batch_kind kind, unsigned order);
void batch_put(struct pager *pg, batch_id id);
/* Submit the requests of the batch's `wanted` pages. */
void batch_start(struct pager *pg, batch_id id);
/* Submit the only request of a FILL batch.  False: the store takes none. */
bool batch_submit_fill(struct pager *pg, batch_id id) MUST_CHECK;
/* A fault waits for the batch now: it is not readahead any more. */
void batch_hurry(struct pager *pg, batch_id id);
/* Give back the staging behind the batch's last page. */
void batch_trim_staging(struct pager *pg, struct batch *b);
/* The staging of page `page` of the batch. */
void *batch_bytes(struct pager *pg, const struct batch *b, unsigned page);

/* Submit more requests of stalled batches: the store may take some now. */
void batch_resume_stalled(struct pager *pg);
/* A request has ended.  Returns its batch if that was the last request, else
 * 0. */
batch_id batch_io_done(struct pager *pg, uint64_t io_cookie, int result);
/* True if the error of a write is not the fault of the medium. */
bool batch_spares_slot(int error);
/* Put a settled batch.  Queue a starved one, so that it is settled when there
 * may be memory. */
void batch_close(struct pager *pg, batch_id id, enum batch_end end);
/* Take the first starved batch out of its queue; 0: there is none. */
batch_id batch_take_starved(struct pager *pg);

#endif
