/* SPDX-License-Identifier: MIT */
/* I/O of a run of pages. */
#ifndef MEMD_PAGER_BATCH_H
#define MEMD_PAGER_BATCH_H

#include "daemon/pager/tables.h"

/* What has become of a batch whose requests have all ended. */
enum batch_end {
	BATCH_GOES_ON,		/* more requests were submitted */
	BATCH_STARVED,		/* bytes must go back: there is no memory now */
	BATCH_SETTLED,		/* nothing is left to do for any page */
};

/* 0: there is none. */
batch_id batch_get(struct pager *pg, enum batch_kind kind, unsigned order);
void batch_put(struct pager *pg, batch_id id);
void batch_start(struct pager *pg, batch_id id);
/* Somebody waits for it now. */
void batch_hurry(struct pager *pg, batch_id id);
/* Give back staging behind the batch's last page. */
void batch_trim_staging(struct pager *pg, struct batch *b);
void *batch_bytes(struct pager *pg, const struct batch *b, unsigned page);

void batch_resume_stalled(struct pager *pg);
/* A request has ended.  Returns its batch if that was the last one, else 0. */
batch_id batch_io_done(struct pager *pg, uint64_t io_cookie, int result);
/* Put it, or have it settled again when there may be memory. */
void batch_close(struct pager *pg, batch_id id, enum batch_end end);
/* The first one that waits for memory, waiting no more; 0: none does. */
batch_id batch_take_starved(struct pager *pg);

#endif
