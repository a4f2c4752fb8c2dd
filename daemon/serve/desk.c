/* SPDX-License-Identifier: MIT */
#include "daemon/serve/desk.h"

#include <stdlib.h>

void desk_init(struct desk_side *side, struct desk *desk, struct pager *pager,
	       account_id account, const struct desk_ops *ops, void *ctx)
{
	*side = (struct desk_side){
		.desk = desk,
		.pager = pager,
		.account = account,
		.ops = ops,
		.ctx = ctx,
		.most = UINT32_MAX,
	};
}

/* ---- lending: S1 */

static bool is_given(const struct desk_side *side, unsigned at)
{
	return side->given[at / 64] >> at % 64 & 1;
}

static void set_given(struct desk_side *side, unsigned at, bool is)
{
	uint64_t bit = UINT64_C(1) << at % 64;

	ASSERT(is_given(side, at) != is);
	side->given[at / 64] ^= bit;
	side->given_count += is ? 1u : UINT32_MAX;
}

static void lend_cell(struct desk_side *side, unsigned at)
{
	struct desk_credit *c = &side->desk->credit[at];

	set_given(side, at, true);
	atomic_store_explicit(&c->segment, 0, memory_order_relaxed);
	atomic_store_explicit(&c->word, credit_word(CREDIT_LENT, 0),
			      memory_order_release);
	atomic_fetch_or(&side->desk->lent[at / 64], UINT64_C(1) << at % 64);
}

void desk_lend(struct desk_side *side)
{
	uint32_t wanted = MIN(MIN(side->wanted, side->most),
			      (uint32_t)DESK_CREDITS);
	uint32_t count = 0;

	if (side->given_count < wanted)
		count = pager_lend(side->pager, side->account,
				   wanted - side->given_count);
	for (; count > 0; side->next = (side->next + 1) % DESK_CREDITS) {
		if (is_given(side, side->next))
			continue;
		lend_cell(side, side->next);
		count--;
	}
}

/* ---- what comes back */

/* False: that cannot be said now. */
static bool read_record(struct desk_side *side, const struct desk_credit *c,
			uint32_t page, struct desk_record *ret_record,
			bool *ret_present)
{
	uint32_t number = atomic_load_explicit(&c->segment,
					       memory_order_relaxed);
	int is_present = 0;

	*ret_record = (struct desk_record){
		.segment = number != 0 ? side->ops->find(side->ctx, number) : 0,
		.page = page,
		.number = number,
		.start_ns = c->start_ns,
		.io_ns = c->io_ns,
		.total_ns = c->total_ns,
		.kind = c->io_ns != 0 ? FAULT_SWAP_IN : FAULT_ZERO,
	};
	if (ret_record->segment != 0)
		is_present = side->ops->is_present(side->ctx,
						   ret_record->segment, page);
	*ret_present = is_present > 0;
	return is_present >= 0;
}

static void count_page(struct desk_side *side, struct desk_record *r,
		       bool is_present, uint64_t now_ns)
{
	r->is_counted = pager_installed(side->pager, side->account, r->segment,
					r->page, is_present, r->kind, now_ns);
	if (is_present)
		side->ops->record(side->ctx, r);
}

/* A word that no program writes by itself is as a record of no page. */
static bool collect_cell(struct desk_side *side, unsigned at, uint64_t now_ns)
{
	struct desk_credit *c = &side->desk->credit[at];
	uint64_t word = atomic_load_explicit(&c->word, memory_order_acquire);
	enum credit_state state = credit_state_of(word);
	struct desk_record r;
	bool is_present;

	if (!is_given(side, at) || state == CREDIT_LENT ||
	    state == CREDIT_TAKEN)
		return false;
	if (state == CREDIT_INSTALLED &&
	    !read_record(side, c, credit_page_of(word), &r, &is_present))
		return false;
	atomic_store_explicit(&c->word, credit_word(CREDIT_FREE, 0),
			      memory_order_relaxed);
	set_given(side, at, false);
	if (state == CREDIT_INSTALLED)
		count_page(side, &r, is_present, now_ns);
	else
		pager_unlend(side->pager, side->account, 1);
	return true;
}

/* start_ns is the program's word, and used for sorting only.  It is there once
 * the state says INSTALLED. */
struct dated_cell {
	uint64_t start_ns;
	unsigned at;
};

static bool has_been_used(const struct desk_credit *c)
{
	enum credit_state state = credit_state_of(
		atomic_load_explicit(&c->word, memory_order_acquire));

	return state != CREDIT_LENT && state != CREDIT_TAKEN;
}

static int compare_dates(const void *a, const void *b)
{
	const struct dated_cell *x = a, *y = b;

	return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

static unsigned list_used(const struct desk_side *side,
			  struct dated_cell cell[DESK_CREDITS])
{
	unsigned count = 0;

	for (unsigned i = 0; i < DESK_CREDIT_WORDS; i++) {
		uint64_t left = side->given[i] &
			~atomic_load_explicit(&side->desk->lent[i],
					      memory_order_relaxed);

		for (; left != 0; left &= left - 1) {
			unsigned at = i * 64 +
				      (unsigned)__builtin_ctzll(left);
			const struct desk_credit *c = &side->desk->credit[at];

			if (has_been_used(c))
				cell[count++] = (struct dated_cell){
					c->start_ns, at };
		}
	}
	return count;
}

uint32_t desk_collect(struct desk_side *side, uint64_t now_ns)
{
	struct dated_cell cell[DESK_CREDITS];
	unsigned used = list_used(side, cell);
	uint32_t count = 0;

	qsort(cell, used, sizeof(cell[0]), compare_dates);
	for (unsigned i = 0; i < used; i++)
		count += collect_cell(side, cell[i].at, now_ns);
	return count;
}

/* The page that the program is busy with, if it is one of this segment and
 * there already: another thread may have used it. */
static bool settle_cell(struct desk_side *side, unsigned at,
			segment_id segment, uint64_t now_ns)
{
	struct desk_credit *c = &side->desk->credit[at];
	uint64_t word = atomic_load_explicit(&c->word, memory_order_acquire);
	uint32_t page = credit_page_of(word);
	uint32_t number = atomic_load_explicit(&c->segment,
					       memory_order_relaxed);
	int is_present;

	if (credit_state_of(word) != CREDIT_TAKEN || number == 0 ||
	    side->ops->find(side->ctx, number) != segment)
		return true;
	is_present = side->ops->is_present(side->ctx, segment, page);
	return is_present == 0 ||
	       (is_present > 0 &&
		pager_found(side->pager, segment, page, now_ns));
}

bool desk_settle(struct desk_side *side, segment_id segment, uint64_t now_ns)
{
	bool is_settled = true;

	for (unsigned i = 0; i < DESK_CREDIT_WORDS; i++)
		for (uint64_t left = side->given[i]; left != 0;
		     left &= left - 1) {
			unsigned at = i * 64 +
				(unsigned)__builtin_ctzll(left);

			if (!collect_cell(side, at, now_ns))
				is_settled &= settle_cell(side, at, segment,
							  now_ns);
		}
	return is_settled;
}

void desk_recall(struct desk_side *side)
{
	for (unsigned at = 0; at < DESK_CREDITS; at++) {
		struct desk_credit *c = &side->desk->credit[at];
		uint64_t lent = credit_word(CREDIT_LENT, 0);

		if (!is_given(side, at) ||
		    !atomic_compare_exchange_strong(&c->word, &lent,
				credit_word(CREDIT_FREE, 0)))
			continue;
		atomic_fetch_and(&side->desk->lent[at / 64],
				 ~(UINT64_C(1) << at % 64));
		set_given(side, at, false);
		pager_unlend(side->pager, side->account, 1);
	}
}

/* A page of which nothing can be said now is not counted. */
static void end_cell(struct desk_side *side, unsigned at, uint64_t now_ns)
{
	struct desk_credit *c = &side->desk->credit[at];
	uint64_t word = atomic_load(&c->word);
	enum credit_state state = credit_state_of(word);
	struct desk_record r;
	bool is_present;

	set_given(side, at, false);
	if ((state == CREDIT_TAKEN || state == CREDIT_INSTALLED) &&
	    read_record(side, c, credit_page_of(word), &r, &is_present))
		count_page(side, &r, is_present, now_ns);
	else
		pager_unlend(side->pager, side->account, 1);
}

void desk_end(struct desk_side *side, uint64_t now_ns)
{
	for (unsigned at = 0; at < DESK_CREDITS; at++)
		if (is_given(side, at))
			end_cell(side, at, now_ns);
	ASSERT(side->given_count == 0);
}

/* ---- who is faulting: K1 */

uint64_t desk_look(const struct desk_side *side, uint32_t segment,
		   uint64_t first, uint32_t count)
{
	uint64_t open = 0;

	if (atomic_load(&side->desk->open) == 0)
		return 0;
	for (unsigned i = 0; i < DESK_INTENTS; i++) {
		uint64_t word = atomic_load(&side->desk->intent[i].word);
		uint64_t page = (uint32_t)word;

		if (word >> 32 == segment && page >= first &&
		    page - first < count)
			open |= UINT64_C(1) << (page - first);
	}
	return open;
}

bool desk_has_open(const struct desk_side *side, uint32_t segment)
{
	if (atomic_load(&side->desk->open) == 0)
		return false;
	for (unsigned i = 0; i < DESK_INTENTS; i++)
		if (atomic_load(&side->desk->intent[i].word) >> 32 == segment)
			return true;
	return false;
}
