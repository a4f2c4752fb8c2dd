/* SPDX-License-Identifier: MIT */
/* Faults: what each state of a page makes of one, who waits where, and how
 * it is answered.
 *
 * A fault that lacks a frame (or staging) waits in the pool's queue, first
 * come first served; one that is over its account's limit waits in that
 * account's queue, so that it delays nobody else.  Popped again, it starts
 * from the beginning: the page may be in any state by then. */
#include "daemon/pager/internal.h"

#include <errno.h>

enum fault_step { FAULT_ENDED, FAULT_MUST_WAIT };

enum { AROUND_MAX = 512 };	/* pages that one answer speaks of */

static enum fault_step fault_try(struct pager *pg, waiter_id id,
				 account_id *ret_account);

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

void waiter_push(struct pager *pg, struct queue *q, waiter_id id)
{
	pg->waiter[id].next = 0;
	if (q->tail != 0)
		pg->waiter[q->tail].next = id;
	else
		q->head = id;
	q->tail = id;
}

waiter_id waiter_pop(struct pager *pg, struct queue *q)
{
	waiter_id id = q->head;

	if (id == 0)
		return 0;
	q->head = pg->waiter[id].next;
	if (q->head == 0)
		q->tail = 0;
	return id;
}

static waiter_id waiter_get(struct pager *pg)
{
	waiter_id id = pg->waiter_free;

	if (id > pg->config.faults_max)
		return 0;
	pg->waiter_free = next_free_entry(id, pg->waiter[id].next);
	pg->waiting_count++;
	return id;
}

/* It has been answered, or must wait once more. */
static void waiter_unserve(struct pager *pg, waiter_id id)
{
	account_id account = pg->waiter[id].served_by;
	struct pager_account *ac = &pg->account[account];

	if (account == 0)
		return;
	pg->waiter[id].served_by = 0;
	ac->serving_count--;
	if (ac->set_aside.head != 0 &&
	    ac->near_count + ac->serving_count == 0)
		account_list_add(pg, ACCOUNT_RETRY, account);
}

void waiter_put(struct pager *pg, waiter_id id)
{
	waiter_unserve(pg, id);
	pg->segment[pg->waiter[id].segment].waiting_count--;
	pg->waiter[id] = (struct waiter){ .next = pg->waiter_free };
	pg->waiter_free = id;
	pg->waiting_count--;
}

/* ---- what each state makes of a fault */

/* What a stream has to do with the fault: how far its answer may reach, and
 * what is to come in with its page. */
static struct stream *fault_stream(struct pager *pg, waiter_id id)
{
	struct waiter *w = &pg->waiter[id];
	struct pager_segment *sg = &pg->segment[w->segment];
	struct stream *st = ahead_fault(pg, w->segment,
					page_index(sg, w->page), w->client);

	w->step = 1;
	w->around = BATCH_PAGES_MAX;
	w->around_flags = FRAME_FRESH;
	w->hold = 0;
	if (st == NULL || !stream_is_dense(st))
		return st;
	w->step = st->step < 0 ? -1 : 1;
	w->around = AROUND_MAX;
	if (st->window * stream_span(st) >= 2 * BATCH_PAGES_MAX)
		w->hold = (uint16_t)(st->window * stream_span(st) / 2);
	return st;
}

/* Wait in the queue of the page's batch. */
static void fault_join(struct pager *pg, waiter_id id, batch_id batch)
{
	batch_hurry(pg, batch);
	waiter_push(pg, &pg->batch[batch].waiting, id);
}

static enum fault_step fault_zero(struct pager *pg, waiter_id id,
				  account_id *ret_account)
{
	struct waiter *w = &pg->waiter[id];
	struct pager_segment *sg = &pg->segment[w->segment];
	struct stream *st = fault_stream(pg, id);
	struct intake in = {
		.segment = w->segment,
		.from = page_index(sg, w->page),
		.step = w->step,
		.count = st != NULL && w->step == st->step ? st->goal + 1 : 1,
		.has_waiter = true,
		.ahead = 1,
	};

	w->kind = FAULT_ZERO;
	zero_cut(pg, &in);
	if (!zero_fill(pg, &in, ret_account))
		return FAULT_MUST_WAIT;
	w->frame_ns = pg->now_ns;
	if (in.count > 1)
		st->ahead = MAX(st->ahead, in.count - 1);
	answer_resident(pg, id, answer_extent(pg, w), 0);
	return FAULT_ENDED;
}

static enum fault_step fault_swapped(struct pager *pg, waiter_id id,
				     account_id *ret_account)
{
	struct waiter *w = &pg->waiter[id];
	struct pager_segment *sg = &pg->segment[w->segment];
	struct stream *st = fault_stream(pg, id);
	struct intake in = {
		.segment = w->segment,
		.from = page_index(sg, w->page),
		.step = 1,
		.count = 1,
		.has_waiter = true,
	};
	batch_id batch;

	w->kind = FAULT_SWAP_IN;
	if (st != NULL)
		ahead_plan(st, 0, &in);
	load_cut(pg, &in);
	if (!load_start(pg, &in, ret_account, &batch))
		return FAULT_MUST_WAIT;
	w->frame_ns = pg->now_ns;
	if (st != NULL)
		st->ahead = MAX(st->ahead, (in.count - 1) / in.ahead);
	waiter_push(pg, &pg->batch[batch].waiting, id);
	return FAULT_ENDED;
}

/* It is being read.  A reader that was read ahead for waits for the disk: it
 * is not worth while to tell it of every page. */
static enum fault_step fault_loading(struct pager *pg, waiter_id id)
{
	struct waiter *w = &pg->waiter[id];
	struct stream *st = fault_stream(pg, id);

	w->kind = FAULT_SWAP_IN;
	if (st != NULL)
		st->is_chasing = true;
	fault_join(pg, id, pg->page[w->page].batch);
	return FAULT_ENDED;
}

/* The client has come to the end of what it was told of, or has not heard of
 * it yet. */
static void fault_ahead(struct pager *pg, waiter_id id)
{
	struct waiter *w = &pg->waiter[id];
	uint8_t flags = pg->frame[pg->page[w->page].frame].flags;
	struct stream *st = fault_stream(pg, id);

	if (flags & FRAME_FRESH) {
		if (st != NULL)
			st->is_chasing = answer_extent(pg, w) <=
					 st->window / 2;
		return;
	}
	w->around_flags = FRAME_AHEAD;
	w->around = BATCH_PAGES_MAX;
	if (st != NULL)
		st->is_chasing = true;
}

static enum fault_step fault_resident(struct pager *pg, waiter_id id)
{
	struct waiter *w = &pg->waiter[id];
	struct pager_segment *sg = &pg->segment[w->segment];
	struct page *p = &pg->page[w->page];

	if (p->flags & PAGE_PARTIAL) {
		if (pg->ops->install(pg->ctx, w->segment,
				     page_index(sg, w->page) << sg->order,
				     order_units(sg->order), NULL) != 0) {
			pg->is_starved = true;
			return FAULT_MUST_WAIT;
		}
		p->flags &= (uint8_t)~PAGE_PARTIAL;
	}
	if (pg->frame[p->frame].flags & (FRAME_FRESH | FRAME_AHEAD))
		fault_ahead(pg, id);
	fault_go_on(pg, id, true, 0);
	return FAULT_ENDED;
}

/* Answer the fault, hang it on its page's batch, or say what it lacks:
 * *ret_account's limit, or (0) the pool. */
static enum fault_step fault_try(struct pager *pg, waiter_id id,
				 account_id *ret_account)
{
	struct waiter *w = &pg->waiter[id];
	struct page *p = &pg->page[w->page];

	*ret_account = 0;
	w->around = 1;
	w->hold = 0;
	switch ((enum page_state)p->state) {
	case PAGE_ZERO:
		return fault_zero(pg, id, ret_account);
	case PAGE_SWAPPED:
		return fault_swapped(pg, id, ret_account);
	case PAGE_LOADING:
		return fault_loading(pg, id);
	case PAGE_EVICTING:
		w->kind = FAULT_PUT_BACK;
		if (!evict_put_back(pg, w->page))
			return FAULT_MUST_WAIT;
		answer_resident(pg, id, 1, 0);
		return FAULT_ENDED;
	case PAGE_RESIDENT:
		if (w->kind != FAULT_ZERO)
			w->kind = FAULT_HIT;
		return fault_resident(pg, id);
	case PAGE_LOST:
		w->kind = FAULT_LOST;
		answer_error(pg, id, -EIO, 0);
		return FAULT_ENDED;
	case PAGE_STATES:
		break;
	}
	ASSERT(!"page state");
	return FAULT_ENDED;
}

static void reply_error(struct pager *pg, segment_id segment, uint64_t page,
			uint64_t cookie, int error)
{
	struct pager_reply reply = {
		.cookie = cookie,
		.segment = segment,
		.page = page,
		.mark = PAGER_NO_PAGE,
		.error = error,
		.start_ns = pg->now_ns,
		.frame_ns = pg->now_ns,
		.io_ns = pg->now_ns,
		.end_ns = pg->now_ns,
	};

	pg->ops->reply(pg->ctx, &reply);
}

/* Faults of an account that are served at the same time.  An instruction may
 * need four pages at once (x86: eight, seldom).  With many threads and a small
 * limit, each would lose its first page before it has its last one, and none
 * would ever get on.  So most of them are set aside, and whoever was served has
 * room to come again.  There is room for one more after one was brought back,
 * for as long as that may need; then somebody else is set aside. */
enum { SERVED_BETWEEN = 8 };	/* one that is brought back and the next */

static uint64_t near_max(const struct pager_account *ac)
{
	return account_effective_limit(ac, 1) / 8 +
	       (ac->served_count < SERVED_BETWEEN / 2);
}

static void fault_wait(struct pager *pg, waiter_id id, account_id account)
{
	struct pager_account *ac = &pg->account[account];

	waiter_unserve(pg, id);
	if (account == 0) {
		waiter_push(pg, &pg->pool_waiting, id);
		return;
	}
	pg->account_waiting++;
	account_list_add(pg, ACCOUNT_PRESSED, account);
	if (ac->near_count + ac->serving_count >= near_max(ac)) {
		waiter_push(pg, &ac->set_aside, id);
		return;
	}
	waiter_push(pg, &ac->waiting, id);
	ac->near_count++;
}

/* The batch that reads the first page behind those that the answer can speak
 * of, if that is worth waiting for; else 0. */
static batch_id worth_waiting_for(const struct pager *pg,
				  const struct waiter *w, uint32_t count)
{
	const struct pager_segment *sg = &pg->segment[w->segment];
	uint64_t next = page_index(sg, w->page) +
			(uint64_t)(w->step * (int64_t)count);

	if (count >= w->hold || next >= sg->page_count ||
	    page_next_used(pg, sg, next, 1) != next ||
	    pg->page[sg->first + next].state != PAGE_LOADING)
		return 0;
	return pg->page[sg->first + next].batch;
}

/* Some I/O that the fault waited for has ended, or it need not wait: answer
 * it, or, where more pages are about to come and `may_hold`, wait for them.
 * One answer for many pages costs its reader less than it has to wait: it
 * reads faster than the disk. */
void fault_go_on(struct pager *pg, waiter_id id, bool may_hold,
		 uint64_t io_ns)
{
	struct waiter *w = &pg->waiter[id];
	const struct page *p = &pg->page[w->page];
	account_id account;
	uint32_t count;
	batch_id next;

	/* Its page may have gone again meanwhile. */
	if (p->state != PAGE_RESIDENT || (p->flags & PAGE_PARTIAL)) {
		if (fault_try(pg, id, &account) == FAULT_MUST_WAIT)
			fault_wait(pg, id, account);
		return;
	}
	count = answer_extent(pg, w);
	next = may_hold ? worth_waiting_for(pg, w, count) : 0;
	if (next != 0)
		fault_join(pg, id, next);
	else
		answer_resident(pg, id, count, io_ns);
}

/* Would this page's fault take a frame? */
static bool needs_frame(const struct page *p)
{
	return p->state == PAGE_ZERO || p->state == PAGE_SWAPPED;
}

void pager_fault(struct pager *pg, segment_id segment, uint64_t page,
		 uint32_t client, uint64_t cookie, uint64_t now_ns)
{
	const struct pager_segment *sg = &pg->segment[segment];
	account_id account = 0;
	waiter_id id;

	pg->now_ns = pg->fault_ns = now_ns;
	ASSERT(segment <= pg->config.segments_max);
	if (segment == 0 || sg->state != SEGMENT_LIVE ||
	    page >= sg->page_count) {
		reply_error(pg, segment, page, cookie, -EFAULT);
		return;
	}
	id = waiter_get(pg);
	if (id == 0) {
		reply_error(pg, segment, page, cookie, -EBUSY);
		return;
	}
	pg->waiter[id] = (struct waiter){
		.cookie = cookie,
		.start_ns = now_ns,
		.frame_ns = now_ns,
		.page = (page_id)(sg->first + page),
		.segment = segment,
		.client = client,
		.kind = FAULT_HIT,
		.is_used = true,
	};
	pg->segment[segment].waiting_count++;
	/* Those who came first get the next frame. */
	if ((pg->pool_waiting.head != 0 &&
	     needs_frame(&pg->page[sg->first + page])) ||
	    fault_try(pg, id, &account) == FAULT_MUST_WAIT) {
		pg->stats.frame_waits++;
		fault_wait(pg, id, account);
	}
	if (pg->ahead_count != 0)
		(void)ahead_run(pg);
}

static void waiter_push_front(struct pager *pg, struct queue *q, waiter_id id)
{
	pg->waiter[id].next = q->head;
	q->head = id;
	if (q->tail == 0)
		q->tail = id;
}

/* Try the faults waiting for the pool from the first on, until one must go on
 * waiting there.  Returns true when any moved on. */
static bool retry_pool(struct pager *pg)
{
	bool has_moved = false;
	waiter_id id;

	while ((id = waiter_pop(pg, &pg->pool_waiting)) != 0) {
		account_id account;

		if (fault_try(pg, id, &account) == FAULT_MUST_WAIT) {
			if (account == 0) {
				waiter_push_front(pg, &pg->pool_waiting, id);
				break;
			}
			fault_wait(pg, id, account);
		}
		has_moved = true;
	}
	return has_moved;
}

/* Whose turn it is among the account's faults: one that was set aside comes
 * before the others now and then, so that each does some time. */
static void bring_back(struct pager *pg, struct pager_account *ac)
{
	if (ac->set_aside.head == 0 ||
	    (ac->near_count + ac->serving_count != 0 &&
	     ac->served_count < SERVED_BETWEEN))
		return;
	waiter_push_front(pg, &ac->waiting, waiter_pop(pg, &ac->set_aside));
	ac->near_count++;
	ac->served_count = 0;
	account_list_add(pg, ACCOUNT_PRESSED, (account_id)(ac - pg->account));
}

/* The same for those of an account. */
static bool retry_account(struct pager *pg, account_id own)
{
	struct pager_account *ac = &pg->account[own];
	bool has_moved = false;
	waiter_id id;

	bring_back(pg, ac);
	while ((id = waiter_pop(pg, &ac->waiting)) != 0) {
		account_id account;

		ac->near_count--;
		ac->serving_count++;
		pg->account_waiting--;
		pg->waiter[id].served_by = own;
		if (fault_try(pg, id, &account) == FAULT_MUST_WAIT) {
			pg->waiter[id].served_by = 0;
			ac->serving_count--;
			if (account == own) {
				waiter_push_front(pg, &ac->waiting, id);
				ac->near_count++;
				pg->account_waiting++;
				break;
			}
			fault_wait(pg, id, account);
		}
		ac->served_count++;
		bring_back(pg, ac);
		has_moved = true;
	}
	return has_moved;
}

/* Returns true when any waiting fault moved on. */
bool fault_retry_waiting(struct pager *pg)
{
	bool has_moved = retry_pool(pg);
	account_id id;

	/* No frame becomes free by this, so no account comes twice. */
	while ((id = account_list_take(pg, ACCOUNT_RETRY)) != 0)
		has_moved |= retry_account(pg, id);
	return has_moved;
}

/* Answer the faults of `segment` (0: of all) in the queue with `error`. */
void fault_fail_waiting(struct pager *pg, struct queue *q, segment_id segment,
			int error)
{
	struct queue all = *q;
	waiter_id id;

	*q = (struct queue){ 0 };
	while ((id = waiter_pop(pg, &all)) != 0) {
		if (segment == 0 || pg->waiter[id].segment == segment)
			answer_error(pg, id, error, 0);
		else
			waiter_push(pg, q, id);
	}
}

/* The same for an account's queue. */
void fault_fail_account(struct pager *pg, account_id account,
			segment_id segment, int error)
{
	struct pager_account *ac = &pg->account[account];
	uint32_t before = pg->waiting_count;

	fault_fail_waiting(pg, &ac->waiting, segment, error);
	ac->near_count -= before - pg->waiting_count;
	fault_fail_waiting(pg, &ac->set_aside, segment, error);
	pg->account_waiting -= before - pg->waiting_count;
	/* The first one now may lack less than the one that was. */
	if (ac->waiting.head != 0 || ac->set_aside.head != 0)
		account_list_add(pg, ACCOUNT_RETRY, account);
}
