/* SPDX-License-Identifier: MIT */
/* Writing captured pages to slots, and what becomes of them. */
#ifndef MEMD_PAGER_WRITE_BACK_H
#define MEMD_PAGER_WRITE_BACK_H

#include "daemon/pager/batch.h"

/* Pages have been captured into the batch: give them slots, and write. */
void write_back_start(struct pager *pg, batch_id id);

/* All requests of the batch have ended. */
enum batch_end write_back_finish(struct pager *pg, batch_id id) MUST_CHECK;

/* An EVICTING page is wanted again: it is RESIDENT afterwards.  False when
 * there is no memory for it now. */
bool write_back_cancel(struct pager *pg, page_id id);

#endif
