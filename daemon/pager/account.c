/* SPDX-License-Identifier: MIT */
/* Accounts: frames and mapped bytes are charged to them.  A charge goes to an
 * account and to all accounts above it; each has its own limits. */
#include "daemon/pager/account.h"

#include <errno.h>
#include <string.h>

/* ---- lists */

void account_list_add(struct pager *pg, enum account_list list,
		      account_id account)
{
	struct account_queue *q = &pg->accounts[list];
	struct pager_account *ac = &pg->account[account];

	if (ac->in_list[list].is_in)
		return;
	ac->in_list[list].is_in = true;
	ac->in_list[list].next = 0;
	if (q->tail != 0)
		pg->account[q->tail].in_list[list].next = account;
	else
		q->head = account;
	q->tail = account;
}

account_id account_list_take(struct pager *pg, enum account_list list)
{
	struct account_queue *q = &pg->accounts[list];
	account_id id = q->head;

	if (id == 0)
		return 0;
	q->head = pg->account[id].in_list[list].next;
	if (q->head == 0)
		q->tail = 0;
	pg->account[id].in_list[list].is_in = false;
	return id;
}

void account_bar(struct pager *pg, account_id account, int error)
{
	/* -EBUSY is worse. */
	if (pg->account[account].bar != -EBUSY)
		pg->account[account].bar = error;
	/* Entry 0: segments without an account. */
	if (account != 0)
		account_list_add(pg, ACCOUNT_BARRED, account);
}

void account_unbar_all(struct pager *pg)
{
	account_id id;

	if (pg->account[0].bar != 0)
		replace_search_anew(pg->replace, 0);
	pg->account[0].bar = 0;
	while ((id = account_list_take(pg, ACCOUNT_BARRED)) != 0) {
		pg->account[id].bar = 0;
		replace_search_anew(pg->replace, id);
	}
}

bool account_is_all_barred(const struct pager *pg, account_id account)
{
	uint32_t all = replace_frames_below(pg->replace, account);
	uint32_t barred = 0;

	for (account_id id = pg->accounts[ACCOUNT_BARRED].head; id != 0;
	     id = pg->account[id].in_list[ACCOUNT_BARRED].next)
		if (pg->account[id].bar != 0 &&
		    (account == 0 || account_contains(pg, account, id)))
			barred += replace_frames_of(pg->replace, id);
	return barred != 0 && barred >= all;
}

/* What stays of an entry when its account goes: its places in lists.  The
 * function that takes the entry from a list finds an account with nothing to
 * do. */
static struct pager_account entry_of(const struct pager_account *ac)
{
	struct pager_account next = { .is_used = false };

	memcpy(next.in_list, ac->in_list, sizeof(next.in_list));
	return next;
}

/* ---- adding and removing accounts */

int pager_account_add(struct pager *pg, account_id parent,
		      uint64_t limit_frames, uint64_t limit_mapped_units,
		      account_id *ret_account)
{
	account_id id = pg->account_free;
	struct pager_account *ac;

	if (id > pg->config.accounts_max)
		return -EAGAIN;
	ac = &pg->account[id];
	pg->account_free = next_free_entry(id, ac->next_free);
	*ac = entry_of(ac);
	ac->parent = parent;
	ac->is_used = true;
	ac->limit_frames = limit_frames;
	ac->limit_mapped_units = limit_mapped_units;
	replace_group_add(pg->replace, id, parent);
	*ret_account = id;
	return 0;
}

void pager_account_remove(struct pager *pg, account_id account)
{
	struct pager_account *ac = &pg->account[account];

	ASSERT(account != 0 && ac->is_used);
	ASSERT(ac->used_frames == 0 && ac->mapped_units == 0);
	ASSERT(ac->waiting.head == NULL && ac->lent_units == 0);
	replace_group_remove(pg->replace, account);
	*ac = entry_of(ac);
	ac->next_free = pg->account_free;
	pg->account_free = account;
}

void pager_account_limit(struct pager *pg, account_id account,
			 uint64_t limit_frames, uint64_t limit_mapped_units)
{
	ASSERT(account != 0 && pg->account[account].is_used);
	pg->account[account].limit_frames = limit_frames;
	pg->account[account].limit_mapped_units = limit_mapped_units;
	account_list_add(pg, ACCOUNT_PRESSED, account);
	if (pg->account[account].waiting.head != 0)
		account_list_add(pg, ACCOUNT_RETRY, account);
}

void pager_account_get(const struct pager *pg, account_id account,
		       struct account_info *ret_info)
{
	const struct pager_account *ac = &pg->account[account];

	ASSERT(account != 0 && ac->is_used);
	*ret_info = (struct account_info){
		.parent = ac->parent,
		.limit_frames = ac->limit_frames,
		.used_frames = ac->used_frames + ac->lent_units,
		.limit_mapped_units = ac->limit_mapped_units,
		.mapped_units = ac->mapped_units,
	};
}

/* The least limit that allows progress: a program needs a few pages at once to
 * execute one instruction. */
uint64_t account_effective_limit(const struct pager_account *ac, uint64_t units)
{
	return MAX(MAX(ac->limit_frames, 16u), units * 4);
}

bool account_is_over(const struct pager *pg, account_id account,
		     uint64_t more_units)
{
	const struct pager_account *ac = &pg->account[account];

	return account != 0 && ac->limit_frames != 0 &&
	       ac->used_frames + ac->lent_units + more_units >
		       account_effective_limit(ac, more_units);
}

/* ---- charges */

void account_add_frame(struct pager *pg, account_id account, frame_id id,
		       uint32_t left)
{
	uint32_t units = order_units(pg->frame[id].order);

	replace_add(pg->replace, account, id, left);
	for (; account != 0; account = pg->account[account].parent)
		pg->account[account].used_frames += units;
}

void account_remove_frame(struct pager *pg, account_id account, frame_id id)
{
	uint32_t units = order_units(pg->frame[id].order);

	replace_remove(pg->replace, account, id);
	for (; account != 0; account = pg->account[account].parent) {
		struct pager_account *ac = &pg->account[account];

		ac->used_frames -= units;
		if (ac->waiting.head != NULL)
			account_list_add(pg, ACCOUNT_RETRY, account);
	}
}

void account_charge_evicting(struct pager *pg, account_id account,
			     int64_t units)
{
	for (; account != 0; account = pg->account[account].parent)
		pg->account[account].evicting_frames += (uint64_t)units;
}

bool account_may_map(const struct pager *pg, account_id account,
		     uint64_t units)
{
	for (account_id id = account; id != 0; id = pg->account[id].parent) {
		const struct pager_account *ac = &pg->account[id];

		if (ac->limit_mapped_units != 0 &&
		    (units > ac->limit_mapped_units ||
		     ac->mapped_units > ac->limit_mapped_units - units))
			return false;
	}
	return true;
}

void account_map(struct pager *pg, account_id account, uint64_t units)
{
	for (; account != 0; account = pg->account[account].parent)
		pg->account[account].mapped_units += units;
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
