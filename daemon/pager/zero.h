/* SPDX-License-Identifier: MIT */
/* Zero-fill: brings in pages at their first touch. */
#ifndef MEMD_PAGER_ZERO_H
#define MEMD_PAGER_ZERO_H

#include "daemon/pager/intake.h"

/* Shorten the intake, whose first page is ZERO: keep the pages that are ZERO
 * too and for which there are frames, and always the first.  Steps are 1 or
 * -1. */
void zero_cut(const struct pager *pg, struct intake *in);

/* Make the pages RESIDENT, with zeros.  False if the first page got no frame:
 * *ret_account as in frame_get().  False with *ret_account 0 also if the system
 * had no memory: the pages are then RESIDENT with PAGE_PARTIAL. */
bool zero_fill(struct pager *pg, const struct intake *in,
	       account_id *ret_account);

#endif
