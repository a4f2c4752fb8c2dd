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

/* That clocks found no victims while these accounts were barred says nothing
 * now. */
static void search_anew(struct pager *pg, account_id account)
{
	pg->vain_looks = 0;
	for (; account != 0; account = pg->account[account].parent)
		pg->account[account].vain_looks = 0;
}

void account_unbar_all(struct pager *pg)
{
	account_id id;

	if (pg->account[0].bar != 0)
		search_anew(pg, 0);
	pg->account[0].bar = 0;
	while ((id = account_list_take(pg, ACCOUNT_BARRED)) != 0) {
		pg->account[id].bar = 0;
		search_anew(pg, id);
	}
}

bool account_is_all_barred(const struct pager *pg, account_id account)
{
	uint32_t all = account != 0 ? pg->account[account].frame_count :
				      pg->frame_entries;
	uint32_t barred = 0;

	for (account_id id = pg->accounts[ACCOUNT_BARRED].head; id != 0;
	     id = pg->account[id].in_list[ACCOUNT_BARRED].next)
		if (pg->account[id].bar != 0 &&
		    (account == 0 || account_contains(pg, account, id)))
			barred += pg->account[id].own_frames;
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
	*ret_account = id;
	return 0;
}

void pager_account_remove(struct pager *pg, account_id account)
{
	struct pager_account *ac = &pg->account[account];

	ASSERT(account != 0 && ac->is_used);
	ASSERT(ac->used_frames == 0 && ac->mapped_units == 0);
	ASSERT(ac->waiting.head == 0 && ac->frame_count == 0);
	ASSERT(ac->lent_units == 0);
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

/* ---- the rings of an account's clock (struct pager_account) */

static void ring_add_frame(struct pager *pg, struct pager_account *ac,
			   frame_id id)
{
	struct frame *fr = &pg->frame[id], *hand = &pg->frame[ac->hand];

	ac->own_frames++;
	if (ac->hand == 0) {
		ac->hand = fr->next = fr->prev = id;
		return;
	}
	/* Behind the hand: the clock comes to the new frame last. */
	fr->next = ac->hand;
	fr->prev = hand->prev;
	pg->frame[hand->prev].next = id;
	hand->prev = id;
}

static void ring_remove_frame(struct pager *pg, struct pager_account *ac,
			      frame_id id)
{
	const struct frame *fr = &pg->frame[id];

	ac->own_frames--;
	pg->frame[fr->prev].next = fr->next;
	pg->frame[fr->next].prev = fr->prev;
	if (ac->hand == id)
		ac->hand = ac->own_frames != 0 ? fr->next : 0;
}

static void ring_add_child(struct pager *pg, struct pager_account *ac,
			   account_id id)
{
	struct pager_account *child = &pg->account[id];
	struct pager_account *at = &pg->account[ac->child];

	ac->child_count++;
	if (ac->child == 0) {
		ac->child = child->next = child->prev = id;
		return;
	}
	child->next = ac->child;
	child->prev = at->prev;
	pg->account[at->prev].next = id;
	at->prev = id;
}

static void ring_remove_child(struct pager *pg, struct pager_account *ac,
			      account_id id)
{
	struct pager_account *child = &pg->account[id];

	ac->child_count--;
	pg->account[child->prev].next = child->next;
	pg->account[child->next].prev = child->prev;
	if (ac->child == id)
		ac->child = ac->child_count != 0 ? child->next : 0;
	child->next = child->prev = 0;
}

/* `from` has no frames any more: do not look at its frames. */
static void stop_looking_at(struct pager_account *ac, account_id from)
{
	if (ac->looking_at == from)
		ac->looks_left = 0;
}

void account_add_frame(struct pager *pg, account_id account, frame_id id)
{
	uint32_t units = order_units(pg->frame[id].order);

	if (account != 0)
		ring_add_frame(pg, &pg->account[account], id);
	while (account != 0) {
		struct pager_account *ac = &pg->account[account];

		ac->used_frames += units;
		if (ac->frame_count++ == 0 && ac->parent != 0)
			ring_add_child(pg, &pg->account[ac->parent], account);
		account = ac->parent;
	}
}

void account_remove_frame(struct pager *pg, account_id account, frame_id id)
{
	uint32_t units = order_units(pg->frame[id].order);

	if (account != 0) {
		struct pager_account *ac = &pg->account[account];

		ring_remove_frame(pg, ac, id);
		if (ac->own_frames == 0)
			stop_looking_at(ac, account);
	}
	while (account != 0) {
		struct pager_account *ac = &pg->account[account];
		struct pager_account *parent = &pg->account[ac->parent];

		ac->used_frames -= units;
		if (--ac->frame_count == 0 && ac->parent != 0) {
			ring_remove_child(pg, parent, account);
			stop_looking_at(parent, account);
		}
		if (ac->waiting.head != 0)
			account_list_add(pg, ACCOUNT_RETRY, account);
		account = ac->parent;
	}
}

/* Choose whose frames the clock looks at next: the account's own, or those of
 * the next account below it. */
static void choose_looking_at(struct pager *pg, account_id account)
{
	struct pager_account *ac = &pg->account[account];

	if (ac->hand != 0 && (ac->children_left == 0 || ac->child == 0)) {
		ac->looking_at = account;
		ac->looks_left = ac->own_frames;
		ac->children_left = ac->child_count;
		return;
	}
	ac->looking_at = ac->child;
	ac->looks_left = pg->account[ac->child].frame_count;
	ac->child = pg->account[ac->child].next;
	ac->children_left -= ac->children_left != 0;
}

frame_id account_next_frame(struct pager *pg, account_id account)
{
	struct pager_account *ac = &pg->account[account];
	frame_id id;

	if (ac->frame_count == 0)
		return 0;
	for (;;) {
		if (ac->looks_left == 0)
			choose_looking_at(pg, account);
		ac->looks_left--;
		if (ac->looking_at == account)
			break;
		account = ac->looking_at;
		ac = &pg->account[account];
	}
	id = ac->hand;
	ac->hand = pg->frame[id].next;
	return id;
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
