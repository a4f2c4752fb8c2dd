/* SPDX-License-Identifier: MIT */
/* Accounts: charges, limits, and lists of accounts that have
 * something to do. */
#ifndef MEMD_PAGER_ACCOUNT_H
#define MEMD_PAGER_ACCOUNT_H

#include "daemon/pager/tables.h"

/* True if the account would be over its limit with `more_units` more frames.
 * The accounts above it are not looked at. */
bool account_is_over(const struct pager *pg, account_id account,
		     uint64_t more_units);
/* left: see replace_add(). */
void account_add_frame(struct pager *pg, account_id account, frame_id id,
		       uint32_t left);
void account_remove_frame(struct pager *pg, account_id account, frame_id id);
/* Add the account at the end of the list, unless it is in the list already. */
void account_list_add(struct pager *pg, enum account_list list,
		      account_id account);
account_id account_list_take(struct pager *pg, enum account_list list);
/* ops.capture has refused pages of the account with -EAGAIN or -EBUSY. */
void account_bar(struct pager *pg, account_id account, int error);
/* It may take them now. */
void account_unbar_all(struct pager *pg);
/* True if all frames of `account` (0: of the pool) are charged to accounts that
 * are barred. */
bool account_is_all_barred(const struct pager *pg, account_id account);
void account_charge_evicting(struct pager *pg, account_id account,
			     int64_t units);
/* False: a limit of the account, or of one above it, is in the way. */
bool account_may_map(const struct pager *pg, account_id account,
		     uint64_t units);
/* Charge mapped units to the account and all above it. */
void account_map(struct pager *pg, account_id account, uint64_t units);
void account_unmap(struct pager *pg, account_id account, uint64_t units);
/* True if `inner` is `outer` or below it. */
bool account_contains(const struct pager *pg, account_id outer,
		      account_id inner);
/* The limit on frames that holds for a page of `units` frames: never so small
 * that a program could make no progress. */
uint64_t account_effective_limit(const struct pager_account *ac,
				 uint64_t units);

#endif
