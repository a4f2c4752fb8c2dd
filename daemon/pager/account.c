/* SPDX-License-Identifier: MIT */
/* Accounts: who pays for frames and for mapped bytes.  A charge goes to an
 * account and to all above it; each has its own limits. */
#include "daemon/pager/internal.h"

#include <errno.h>

int pager_account_add(struct pager *pg, account_id parent,
		      uint64_t limit_frames, uint64_t limit_mapped_units,
		      account_id *ret_account)
{
	account_id id = pg->account_free;
	struct account *ac;

	if (id > pg->config.accounts_max)
		return -EAGAIN;
	ac = &pg->account[id];
	pg->account_free = next_free_entry(id, ac->next_free);
	*ac = (struct account){
		.parent = parent,
		.is_used = true,
		.limit_frames = limit_frames,
		.limit_mapped_units = limit_mapped_units,
		.hand = 1,
	};
	*ret_account = id;
	return 0;
}

void pager_account_remove(struct pager *pg, account_id account)
{
	struct account *ac = &pg->account[account];

	ASSERT(account != 0 && ac->is_used);
	ASSERT(ac->used_frames == 0 && ac->mapped_units == 0);
	ASSERT(ac->waiting.head == 0);
	*ac = (struct account){ .next_free = pg->account_free };
	pg->account_free = account;
}

void pager_account_limit(struct pager *pg, account_id account,
			 uint64_t limit_frames, uint64_t limit_mapped_units)
{
	ASSERT(account != 0 && pg->account[account].is_used);
	pg->account[account].limit_frames = limit_frames;
	pg->account[account].limit_mapped_units = limit_mapped_units;
	pg->is_account_pressed = true;
}

void pager_account_get(const struct pager *pg, account_id account,
		       struct account_info *ret_info)
{
	const struct account *ac = &pg->account[account];

	ASSERT(account != 0 && ac->is_used);
	*ret_info = (struct account_info){
		.parent = ac->parent,
		.limit_frames = ac->limit_frames,
		.used_frames = ac->used_frames,
		.limit_mapped_units = ac->limit_mapped_units,
		.mapped_units = ac->mapped_units,
	};
}

/* A program needs a few pages at once to get over one instruction; a smaller
 * limit would stop it for good. */
uint64_t account_effective_limit(const struct account *ac, uint64_t units)
{
	return MAX(MAX(ac->limit_frames, 16u), units * 4);
}

bool account_is_over(const struct pager *pg, account_id account,
		     uint64_t more_units)
{
	const struct account *ac = &pg->account[account];

	return account != 0 && ac->limit_frames != 0 &&
	       ac->used_frames + more_units >
		       account_effective_limit(ac, more_units);
}

void account_charge(struct pager *pg, account_id account, int64_t units)
{
	for (; account != 0; account = pg->account[account].parent)
		pg->account[account].used_frames += (uint64_t)units;
}

void account_charge_evicting(struct pager *pg, account_id account,
			     int64_t units)
{
	for (; account != 0; account = pg->account[account].parent)
		pg->account[account].evicting_frames += (uint64_t)units;
}

int account_map(struct pager *pg, account_id account, uint64_t units)
{
	for (account_id id = account; id != 0; id = pg->account[id].parent) {
		const struct account *ac = &pg->account[id];

		if (ac->limit_mapped_units != 0 &&
		    (units > ac->limit_mapped_units ||
		     ac->mapped_units > ac->limit_mapped_units - units))
			return -EDQUOT;
	}
	for (account_id id = account; id != 0; id = pg->account[id].parent)
		pg->account[id].mapped_units += units;
	return 0;
}

void account_unmap(struct pager *pg, account_id account, uint64_t units)
{
	for (; account != 0; account = pg->account[account].parent)
		pg->account[account].mapped_units -= units;
}

bool account_contains(const struct pager *pg, account_id outer,
		      account_id inner)
{
	while (inner != 0 && inner != outer)
		inner = pg->account[inner].parent;
	return inner == outer;
}
