/* SPDX-License-Identifier: MIT */
/* Bringing pages in from their slots. */
#ifndef MEMD_PAGER_LOAD_H
#define MEMD_PAGER_LOAD_H

#include "daemon/pager/batch.h"
#include "daemon/pager/intake.h"

/* Keep of the intake, which begins with a SWAPPED page, what is SWAPPED and has
 * room, but one. */
void load_cut(const struct pager *pg, struct intake *in);

/* in->count is what has been started.  False when a frame, staging or a batch
 * is missing: *ret_account as frame_get(). */
bool load_start(struct pager *pg, struct intake *in, account_id *ret_account,
		batch_id *ret_batch);

/* All requests of the batch have ended. */
enum batch_end load_finish(struct pager *pg, batch_id id) MUST_CHECK;

#endif
