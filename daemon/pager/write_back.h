/* SPDX-License-Identifier: MIT */
/* Write-back: writes captured pages to slots. */
#ifndef MEMD_PAGER_WRITE_BACK_H
#define MEMD_PAGER_WRITE_BACK_H

#include "daemon/pager/batch.h"

/* The batch has captured pages: give them slots, and start the writes. */
void write_back_start(struct pager *pg, batch_id id);

/* All requests of the batch have ended: settle its pages. */
enum batch_end write_back_finish(struct pager *pg, batch_id id) MUST_CHECK;

/* An EVICTING page is needed again: put it back, so that it is RESIDENT.
 * False: no memory now. */
bool write_back_cancel(struct pager *pg, page_id id);

#endif
