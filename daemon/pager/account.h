/* SPDX-License-Identifier: MIT */
/* Accounts: charges, limits, their clocks, and lists of those for which there
 * is something to do. */
#ifndef MEMD_PAGER_ACCOUNT_H
#define MEMD_PAGER_ACCOUNT_H

#include "daemon/pager/tables.h"

bool account_is_over(const struct pager *pg, account_id account,
		     uint64_t more_units);
void account_add_frame(struct pager *pg, account_id account, frame_id id);
void account_remove_frame(struct pager *pg, account_id account, frame_id id);
/* The next frame that its clock comes to; 0: it has none. */
frame_id account_next_frame(struct pager *pg, account_id account);
/* Its place in a list is the last one, or where it has one already. */
void account_list_add(struct pager *pg, enum account_list list,
		      account_id account);
account_id account_list_take(struct pager *pg, enum account_list list);
void account_charge_evicting(struct pager *pg, account_id account,
			     int64_t units);
int account_map(struct pager *pg, account_id account, uint64_t units)
	MUST_CHECK;
void account_unmap(struct pager *pg, account_id account, uint64_t units);
bool account_contains(const struct pager *pg, account_id outer,
		      account_id inner);
uint64_t account_effective_limit(const struct pager_account *ac,
				 uint64_t units);

#endif
