/* SPDX-License-Identifier: MIT */
/* Loading: brings pages in from their slots. */
#ifndef MEMD_PAGER_LOAD_H
#define MEMD_PAGER_LOAD_H

#include "daemon/pager/batch.h"
#include "daemon/pager/intake.h"

/* Shorten the intake, whose first page is SWAPPED: keep the pages that are
 * SWAPPED too and for which there are frames, and always the first. */
void load_cut(const struct pager *pg, struct intake *in);

/* Start to read the pages of the intake.  in->count becomes the number of pages
 * that were started.  False if a frame, staging or a batch is missing:
 * *ret_account as in frame_get(). */
bool load_start(struct pager *pg, struct intake *in, account_id *ret_account,
		batch_id *ret_batch);

/* All requests of the batch have ended: verify and install its pages. */
enum batch_end load_finish(struct pager *pg, batch_id id) MUST_CHECK;

#endif
