/* SPDX-License-Identifier: MIT */
#include "daemon/pager/advice_act.h"

#include "daemon/pager/account.h"
#include "daemon/pager/book.h"
#include "daemon/pager/capture.h"
#include "daemon/pager/claim.h"
#include "daemon/pager/evict.h"
#include "daemon/pager/frame.h"
#include "daemon/pager/load.h"
#include "daemon/pager/loan.h"
#include "daemon/pager/page.h"
#include "daemon/pager/victims.h"
#include "daemon/pager/write_back.h"
#include "daemon/pager/zero.h"
#include <errno.h>

static struct page *page_under(struct pager *pg, const struct advice *ad,
			       page_id *ret_id)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];

	*ret_id = (page_id)(sg->first + ad->cursor);
	return &pg->page[*ret_id];
}

static bool is_pinned(const struct pager *pg, const struct page *p)
{
	return page_frame(p) != 0 && pg->frame[p->frame].pins != 0;
}

/* A thread is faulting the page in, which mostly takes no time.  But it may be
 * stopped. */
static bool may_try_again(struct advice *ad)
{
	enum { TRIES = 16 };

	if (ad->claim_tries == TRIES) {
		ad->claim_tries = 0;
		return false;
	}
	ad->claim_tries++;
	return true;
}

/* ---- DONTNEED */

static bool is_droppable(const struct pager *pg, const struct page *p)
{
	return page_frame(p) != 0 && !page_is_busy(p) && !is_pinned(pg, p);
}

/* The number of neighbouring pages, from the cursor on, that have a frame and
 * can be dropped. */
static uint64_t droppable_run(const struct pager *pg, const struct advice *ad,
			      uint64_t most)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];
	uint64_t end = MIN(ad->end, ad->cursor +
			   MIN(MAX(most, 1u), (uint64_t)BATCH_DROPS_MAX));
	uint64_t page = ad->cursor;

	while (page < end && page_next_used(pg, sg, page, 1) == page &&
	       is_droppable(pg, &pg->page[sg->first + page]))
		page++;
	return page - ad->cursor;
}

static void drop_page(struct pager *pg, struct pager_segment *sg, page_id id)
{
	struct page *p = &pg->page[id];

	if (page_frame(p) != 0)
		frame_put(pg, p->frame);
	p->frame = 0;
	p->flags = 0;
	page_drop_slot(pg, sg, id);
	page_enter(pg, sg, id, PAGE_ZERO);
}

/* The page is busy: wait for it.  Exception: that may never end. */
static enum advice_step wait_for_page(struct pager *pg, const struct page *p,
				      struct advice_turn *turn)
{
	if (!pg->batch[p->batch].is_stuck)
		return STEP_PARK;
	turn->result = -EBUSY;
	return STEP_NEXT;
}

/* Claim the pages that are to be dropped, which have frames; as many as can be
 * claimed, from the cursor on. */
static uint64_t claim_run(const struct pager *pg, const struct advice *ad,
			  uint64_t count)
{
	uint64_t open;

	if (pg->segment[ad->segment].book == NULL)
		return count;
	count = MIN(count, UINT64_C(64));
	open = claim_pages(pg, ad->segment, ad->cursor, (uint32_t)count);
	if (open == 0)
		return count;
	book_write_run(pg, &pg->segment[ad->segment], ad->cursor, count);
	return (uint64_t)__builtin_ctzll(open) == 0 ? 0 :
		claim_run(pg, ad, (uint64_t)__builtin_ctzll(open));
}

/* The page has no frame.  Claim it; or count it, if it is there all the same:
 * then it is dropped as others.  Returns 0, -EBUSY or -EAGAIN. */
static int claim_or_adopt(struct pager *pg, const struct advice *ad, page_id id)
{
	int err = claim_absent(pg, ad->segment, ad->cursor);

	if (err == -EEXIST)
		err = loan_adopt(pg, ad->segment, id) ? 0 : -EAGAIN;
	return err;
}

/* Drop resident pages in runs: a hole punch for each page would cost far more
 * than everything else. */
static enum advice_step dontneed_page(struct pager *pg, struct advice *ad,
				      struct advice_turn *turn)
{
	struct pager_segment *sg = &pg->segment[ad->segment];
	page_id id;
	const struct page *p = page_under(pg, ad, &id);
	int err = 0;

	if (p->state == PAGE_ZERO)
		return STEP_NEXT;
	/* Its own drop: if the advice ended before that, a client would write
	 * to the page, and lose what it has written. */
	if (ad->cursor < ad->drop_end)
		return pg->batch[p->batch].is_drop ? STEP_PARK : STEP_NEXT;
	if (page_is_busy(p))
		return wait_for_page(pg, p, turn);
	if (is_pinned(pg, p)) {
		turn->result = -EBUSY;
		return STEP_NEXT;
	}
	if (page_frame(p) == 0)
		err = claim_or_adopt(pg, ad, id);
	if (err == -EAGAIN)
		return STEP_PARK;
	if (page_frame(p) != 0)
		turn->pages = claim_run(pg, ad, droppable_run(pg, ad,
					turn->most_units >> sg->order));
	if (turn->pages == 0 || err == -EBUSY) {
		turn->pages = 1;
		if (may_try_again(ad))
			return STEP_PARK;
		turn->result = -EBUSY;
		return STEP_NEXT;
	}
	turn->units = turn->pages << sg->order;
	if (page_frame(p) != 0)
		err = capture_drop(pg, ad->segment, ad->cursor, turn->pages);
	if (err == -EINPROGRESS) {
		ad->drop_end = ad->cursor + turn->pages;
		ad->count += turn->pages;
	}
	if (err == -EAGAIN || (err != 0 && err != -EINPROGRESS))
		book_write_run(pg, sg, ad->cursor, turn->pages);
	if (err == -EINPROGRESS || err == -EAGAIN)
		return STEP_PARK;
	if (err != 0) {
		turn->result = err;
		return STEP_NEXT;
	}
	for (uint64_t i = 0; i < turn->pages; i++)
		drop_page(pg, sg, id + (page_id)i);
	ad->count += turn->pages;
	return STEP_NEXT;
}

/* ---- COLD */

static enum advice_step cold_page(struct pager *pg, struct advice *ad,
				  struct advice_turn *turn)
{
	page_id id;
	const struct page *p = page_under(pg, ad, &id);

	(void)turn;
	if (p->state != PAGE_RESIDENT || is_pinned(pg, p))
		return STEP_NEXT;
	frame_set_flags(pg, p->frame, 0, FRAME_FRESH);
	replace_cool(pg->replace, p->frame);
	victims_age(pg, ad->segment, ad->cursor);
	ad->count++;
	return STEP_NEXT;
}

/* ---- PAGEOUT */

static uint32_t candidate_run(const struct pager *pg, const struct advice *ad,
			      uint64_t most)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];
	uint64_t end = ad->cursor;

	most = MIN(MAX(most, 1u), (uint64_t)BATCH_PAGES_MAX);
	while (end < ad->end && end - ad->cursor < most &&
	       page_next_used(pg, sg, end, 1) == end &&
	       victim_may_go(pg, (page_id)(sg->first + end)))
		end++;
	return (uint32_t)(end - ad->cursor);
}

/* Nothing could be captured: a capture of the account is under way (and may
 * never end), or there is no staging now, or the capture has failed. */
static enum advice_step pageout_later(struct pager *pg, const struct advice *ad,
				      struct advice_turn *turn)
{
	int bar = pg->account[pg->segment[ad->segment].account].bar;

	if (bar == -EBUSY)
		turn->result = bar;
	return bar == -EAGAIN || (bar == 0 && pg->write_staging.used_count) ?
		STEP_PARK : STEP_NEXT;
}

static enum advice_step pageout_page(struct pager *pg, struct advice *ad,
				     struct advice_turn *turn)
{
	page_id id;
	const struct page *p = page_under(pg, ad, &id);
	uint32_t taken, run;
	uint64_t refused;

	if (p->state != PAGE_RESIDENT)
		return STEP_NEXT;
	if (is_pinned(pg, p)) {
		turn->result = -EBUSY;
		return STEP_NEXT;
	}
	run = candidate_run(pg, ad, turn->most_units >>
				    pg->segment[ad->segment].order);
	refused = pg->stats.claims_refused;
	taken = run != 0 ? evict_run(pg, ad->segment, ad->cursor, run) : 0;
	/* A page may come back, and leave again. */
	ad->count = MIN(ad->count + taken, ad->end - ad->first);
	if (pg->stats.claims_refused != refused) {
		if (may_try_again(ad))
			return STEP_PARK;
		/* Go past all of them. */
		turn->result = -EBUSY;
		turn->pages = run;
		return STEP_NEXT;
	}
	if (run == 0 && pg->account[pg->segment[ad->segment].account].bar == 0)
		return STEP_PARK;
	if (taken == 0)
		return pageout_later(pg, ad, turn);
	turn->pages = taken;
	turn->units = (uint64_t)taken << pg->segment[ad->segment].order;
	return STEP_NEXT;
}

static enum advice_step pageout_wait(struct pager *pg, struct advice *ad,
				     struct advice_turn *turn)
{
	page_id id;
	const struct page *p = page_under(pg, ad, &id);

	return p->state == PAGE_EVICTING || (p->flags & PAGE_WRITING) ?
		wait_for_page(pg, p, turn) : STEP_NEXT;
}

/* The page at the cursor and the pages of the range behind it. */
static struct intake advice_intake(const struct advice *ad)
{
	return (struct intake){
		.segment = ad->segment,
		.from = ad->cursor,
		.step = 1,
		.count = (uint32_t)MIN(ad->end - ad->cursor,
				       (uint64_t)BATCH_PAGES_MAX),
		.has_waiter = ad->kind == PAGER_PIN,
	};
}

/* Start to read; in->count becomes the number of pages. */
static bool advice_load(struct pager *pg, const struct advice *ad,
			struct intake *in, account_id *ret_account)
{
	batch_id batch;

	*in = advice_intake(ad);
	load_cut(pg, in);
	return load_start(pg, in, ret_account, &batch);
}

static bool advice_fill(struct pager *pg, const struct advice *ad,
			account_id *ret_account, struct advice_turn *turn)
{
	struct intake in = advice_intake(ad);
	unsigned order = pg->segment[ad->segment].order;

	in.count = MIN(in.count, MAX((uint32_t)turn->most_units >> order, 1u));
	zero_cut(pg, &in);
	turn->units = (uint64_t)in.count << order;
	return zero_fill(pg, &in, ret_account);
}

/* ---- WILLNEED and FETCH: read pages in the background, as long as there are
 * free frames */

/* Somebody waits for frames that would be taken from him.  (Where an account is
 * at its limit, there is no room for this either: frame_room() tells.) */
static bool are_frames_wanted(const struct pager *pg)
{
	return pg->pool_waiting.head != NULL || pg->wanted_units != 0;
}

static enum advice_step willneed_page(struct pager *pg, struct advice *ad,
				      struct advice_turn *turn)
{
	account_id account;
	struct intake in;
	page_id id;

	if (page_under(pg, ad, &id)->state != PAGE_SWAPPED)
		return STEP_NEXT;
	if (are_frames_wanted(pg))
		return STEP_PARK;
	if (frame_room(pg, &pg->segment[ad->segment], false, 1) == 0)
		return ad->kind == PAGER_FETCH ? STEP_NEXT : STEP_STOP;
	if (!advice_load(pg, ad, &in, &account))
		return STEP_PARK;
	turn->pages = in.count;
	turn->units = (uint64_t)in.count << pg->segment[ad->segment].order;
	ad->count += in.count;
	return STEP_NEXT;
}

/* Wait for the page, and see whether it is there. */
static enum advice_step fetch_wait(struct pager *pg, struct advice *ad,
				   struct advice_turn *turn)
{
	page_id id;
	enum page_state state = page_under(pg, ad, &id)->state;

	if (state == PAGE_LOADING)
		return STEP_PARK;
	if (state == PAGE_SWAPPED || state == PAGE_LOST)
		turn->result = ad->result + 1;
	return STEP_NEXT;
}

/* ---- PIN and UNPIN */

/* Ask for frames to be freed: of the account whose limit is in the way, or of
 * the pool (0). */
static enum advice_step pin_wait(struct pager *pg, const struct advice *ad,
				 account_id account)
{
	uint64_t *wanted = account != 0 ? &pg->account[account].wanted_units :
					  &pg->wanted_units;

	*wanted = MAX(*wanted, order_units(pg->segment[ad->segment].order));
	if (account != 0)
		account_list_add(pg, ACCOUNT_PRESSED, account);
	return STEP_WANT;
}

static enum advice_step pin_page(struct pager *pg, struct advice *ad,
				 struct advice_turn *turn)
{
	account_id account;
	struct intake in;
	page_id id;
	const struct page *p = page_under(pg, ad, &id);

	switch ((enum page_state)p->state) {
	case PAGE_RESIDENT:
		break;
	case PAGE_ZERO:
		if (!advice_fill(pg, ad, &account, turn))
			return pin_wait(pg, ad, account);
		break;
	case PAGE_EVICTING:
		if (pg->batch[p->batch].is_stuck) {
			turn->result = -EBUSY;
			return STEP_STOP;
		}
		if (pg->batch[p->batch].kind == BATCH_CAPTURE ||
		    !write_back_cancel(pg, id))
			return STEP_PARK;
		break;
	case PAGE_SWAPPED:
		if (!advice_load(pg, ad, &in, &account))
			return pin_wait(pg, ad, account);
		return STEP_PARK;
	case PAGE_LOST:
		turn->result = -EIO;
		return STEP_STOP;
	case PAGE_LOADING:
	case PAGE_STATES:
		return STEP_PARK;
	}
	if (!page_fill_holes(pg, id))
		return STEP_PARK;
	if (pg->frame[p->frame].pins == UINT16_MAX) {
		turn->result = -ENOMEM;
		return STEP_STOP;
	}
	pg->frame[p->frame].pins++;
	page_mark_used(pg, id);
	ad->count++;
	return STEP_NEXT;
}

static enum advice_step unpin_look(struct pager *pg, struct advice *ad,
				   struct advice_turn *turn)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];
	page_id id = (page_id)(sg->first + ad->cursor);

	if (page_next_used(pg, sg, ad->cursor, 1) == ad->cursor &&
	    is_pinned(pg, &pg->page[id]))
		return STEP_NEXT;
	turn->result = -EINVAL;
	return STEP_STOP;
}

static enum advice_step unpin_take(struct pager *pg, struct advice *ad,
				   struct advice_turn *turn)
{
	page_id id;
	const struct page *p = page_under(pg, ad, &id);

	(void)turn;
	ASSERT(is_pinned(pg, p));
	pg->frame[p->frame].pins--;
	ad->count++;
	return STEP_NEXT;
}

const struct advice_acts advice_acts[] = {
	[PAGER_WILLNEED] = { .act = willneed_page },
	[PAGER_FETCH] = { .act = willneed_page, .end = fetch_wait },
	[PAGER_DONTNEED] = { .act = dontneed_page },
	[PAGER_COLD] = { .act = cold_page },
	[PAGER_PAGEOUT] = { .act = pageout_page, .end = pageout_wait },
	[PAGER_PIN] = { .act = pin_page, .end = unpin_take },
	[PAGER_UNPIN] = { .act = unpin_look, .end = unpin_take },
};
