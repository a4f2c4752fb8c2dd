/* SPDX-License-Identifier: MIT */
#include "daemon/pager/fault.h"

#include "daemon/pager/ahead.h"
#include "daemon/pager/answer.h"
#include "daemon/pager/claim.h"
#include "daemon/pager/load.h"
#include "daemon/pager/loan.h"
#include "daemon/pager/page.h"
#include "daemon/pager/fault_queue.h"
#include "daemon/pager/write_back.h"
#include "daemon/pager/zero.h"
#include <errno.h>

enum { AROUND_MAX = 512 };	/* most pages in one answer */

const char *fault_kind_name(enum fault_kind kind)
{
	static const char *const name[FAULT_KINDS] = {
		[FAULT_ZERO] = "zero",
		[FAULT_HIT] = "hit",
		[FAULT_SWAP_IN] = "swap_in",
		[FAULT_PUT_BACK] = "put_back",
		[FAULT_LOST] = "lost",
	};

	return name[kind];
}

/* Find the stream that the fault belongs to, and set from it how many pages the
 * answer may cover (around, step) and for how many it is worth waiting (hold).
 * Returns NULL if there is no stream. */
static struct stream *fault_stream(struct pager *pg, struct fault *f)
{
	struct stream *st = ahead_fault(pg, f->segment, f->page, f->client);

	f->step = 1;
	f->around = BATCH_PAGES_MAX;
	f->around_flags = FRAME_FRESH;
	f->hold = 0;
	if (st == NULL || !stream_is_dense(st))
		return st;
	f->step = st->step < 0 ? -1 : 1;
	f->around = AROUND_MAX;
	if (st->window * stream_span(st) >= 2 * BATCH_PAGES_MAX)
		f->hold = (uint16_t)(st->window * stream_span(st) / 2);
	return st;
}

/* Wait in the queue of the batch that has the fault's page. */
static void fault_join(struct pager *pg, struct fault *f, batch_id batch)
{
	batch_hurry(pg, batch);
	fault_queue_push(&pg->batch[batch].waiting, f);
}

static enum fault_step fault_zero(struct pager *pg, struct fault *f,
				  account_id *ret_account)
{
	struct stream *st = fault_stream(pg, f);
	struct intake in = {
		.segment = f->segment,
		.from = f->page,
		.step = f->step,
		.count = st != NULL && f->step == st->step ? st->goal + 1 : 1,
		.has_waiter = true,
		.ahead = 1,
	};

	f->kind = FAULT_ZERO;
	zero_cut(pg, &in);
	if (!zero_fill(pg, &in, ret_account))
		return FAULT_MUST_WAIT;
	f->frame_ns = pg->now_ns;
	if (in.count > 1)
		st->ahead = MAX(st->ahead, in.count - 1);
	answer_resident(pg, f, fault_extent(pg, f), 0);
	return FAULT_ENDED;
}

static enum fault_step fault_swapped(struct pager *pg, struct fault *f,
				     account_id *ret_account)
{
	struct stream *st = fault_stream(pg, f);
	struct intake in = {
		.segment = f->segment,
		.from = f->page,
		.step = 1,
		.count = 1,
		.has_waiter = true,
	};
	batch_id batch;

	f->kind = FAULT_SWAP_IN;
	if (st != NULL)
		ahead_plan(st, 0, &in);
	load_cut(pg, &in);
	if (!load_start(pg, &in, ret_account, &batch))
		return FAULT_MUST_WAIT;
	f->frame_ns = pg->now_ns;
	if (st != NULL)
		st->ahead = MAX(st->ahead, (in.count - 1) / in.ahead);
	fault_queue_push(&pg->batch[batch].waiting, f);
	return FAULT_ENDED;
}

/* The page is being read.  If it was read ahead, its reader is faster than the
 * disk: the stream chases, and the client is not told of every single page. */
static enum fault_step fault_loading(struct pager *pg, struct fault *f)
{
	struct stream *st = fault_stream(pg, f);

	f->kind = FAULT_SWAP_IN;
	if (st != NULL)
		st->is_chasing = true;
	fault_join(pg, f, pg->page[fault_page(pg, f)].batch);
	return FAULT_ENDED;
}

/* The page came in without having been asked for.  FRAME_FRESH: the client has
 * not been told of it yet.  Otherwise the client has reached the end of the
 * pages that it was told of. */
static void fault_ahead(struct pager *pg, struct fault *f)
{
	uint8_t flags = pg->frame[pg->page[fault_page(pg, f)].frame].flags;
	struct stream *st = fault_stream(pg, f);

	if (flags & FRAME_FRESH) {
		if (st != NULL)
			st->is_chasing = fault_extent(pg, f) <=
					 st->window / 2;
		return;
	}
	f->around_flags = FRAME_AHEAD;
	f->around = BATCH_PAGES_MAX;
	if (st != NULL)
		st->is_chasing = true;
}

/* The answer can cover `count` pages.  Returns the batch that is reading the
 * page behind them, if it is worth waiting for; else 0. */
static batch_id batch_worth_waiting_for(const struct pager *pg,
					const struct fault *f, uint32_t count)
{
	const struct pager_segment *sg = &pg->segment[f->segment];
	uint64_t next = f->page + (uint64_t)(f->step * (int64_t)count);

	if (count >= f->hold || next >= sg->page_count ||
	    page_state_at(pg, sg, next) != PAGE_LOADING)
		return 0;
	return pg->page[sg->first + next].batch;
}

/* The fault's page is resident and whole.  A reader that is faster than the
 * disk waits for the next batch too, because one answer for many pages costs it
 * less than several. */
static void fault_end(struct pager *pg, struct fault *f, bool may_hold,
		      uint64_t io_ns)
{
	uint32_t count = fault_extent(pg, f);
	batch_id next = may_hold ? batch_worth_waiting_for(pg, f, count) : 0;

	if (next != 0)
		fault_join(pg, f, next);
	else
		answer_resident(pg, f, count, io_ns);
}

static enum fault_step fault_resident(struct pager *pg, struct fault *f)
{
	const struct page *p = &pg->page[fault_page(pg, f)];

	if (!page_fill_holes(pg, fault_page(pg, f)))
		return FAULT_MUST_WAIT;
	if (pg->frame[p->frame].flags & (FRAME_FRESH | FRAME_AHEAD))
		fault_ahead(pg, f);
	fault_end(pg, f, true, 0);
	return FAULT_ENDED;
}

static enum fault_step fault_evicting(struct pager *pg, struct fault *f)
{
	struct batch *b = &pg->batch[pg->page[fault_page(pg, f)].batch];

	if (b->is_stuck) {
		answer_failed(pg, f, -EBUSY);
		return FAULT_ENDED;
	}
	/* Its bytes are not here yet.  (C1 in capture.c) */
	if (b->kind == BATCH_CAPTURE) {
		fault_queue_push(&b->waiting, f);
		return FAULT_ENDED;
	}
	f->kind = FAULT_PUT_BACK;
	if (!write_back_cancel(pg, fault_page(pg, f)))
		return FAULT_MUST_WAIT;
	answer_resident(pg, f, 1, 0);
	return FAULT_ENDED;
}

/* memd could not read the page.  Maybe a program could: then the page is there,
 * but needs a frame to be counted. */
static enum fault_step fault_lost(struct pager *pg, struct fault *f)
{
	if (pg->segment[f->segment].book == NULL ||
	    claim_absent(pg, f->segment, f->page) != -EEXIST) {
		f->kind = FAULT_LOST;
		answer_failed(pg, f, -EIO);
		return FAULT_ENDED;
	}
	if (!loan_adopt(pg, f->segment, fault_page(pg, f)))
		return FAULT_MUST_WAIT;
	f->kind = FAULT_HIT;
	return fault_resident(pg, f);
}

enum fault_step fault_try(struct pager *pg, struct fault *f,
			  account_id *ret_account)
{
	struct page *p = &pg->page[fault_page(pg, f)];

	*ret_account = 0;
	f->around = 1;
	f->hold = 0;
	switch ((enum page_state)p->state) {
	case PAGE_ZERO:
		return fault_zero(pg, f, ret_account);
	case PAGE_SWAPPED:
		return fault_swapped(pg, f, ret_account);
	case PAGE_LOADING:
		return fault_loading(pg, f);
	case PAGE_EVICTING:
		return fault_evicting(pg, f);
	case PAGE_RESIDENT:
		if (f->kind != FAULT_ZERO)
			f->kind = FAULT_HIT;
		return fault_resident(pg, f);
	case PAGE_LOST:
		return fault_lost(pg, f);
	case PAGE_STATES:
		break;
	}
	ASSERT(!"page state");
	return FAULT_ENDED;
}

enum fault_step fault_go_on(struct pager *pg, struct fault *f, bool may_hold,
			    uint64_t io_ns, account_id *ret_account)
{
	const struct page *p = &pg->page[fault_page(pg, f)];

	/* The page may have left again while the fault waited. */
	if (p->state != PAGE_RESIDENT || (p->flags & PAGE_PARTIAL))
		return fault_try(pg, f, ret_account);
	fault_end(pg, f, may_hold, io_ns);
	return FAULT_ENDED;
}
