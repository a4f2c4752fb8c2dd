/* SPDX-License-Identifier: MIT */
/* Bringing in pages that are zeros and nowhere: first touches. */
#ifndef MEMD_PAGER_ZERO_H
#define MEMD_PAGER_ZERO_H

#include "daemon/pager/intake.h"

/* Keep of the intake, which begins with a ZERO page, what is ZERO and has
 * room, but one.  Steps are 1 or -1. */
void zero_cut(const struct pager *pg, struct intake *in);

/* Afterwards they are RESIDENT.  False when the first one got no frame:
 * *ret_account as frame_get(); or when the system had no memory: *ret_account
 * is 0, and they are PAGE_PARTIAL. */
bool zero_fill(struct pager *pg, const struct intake *in,
	       account_id *ret_account);

#endif
