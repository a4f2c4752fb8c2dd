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

static void waiter_put(struct pager *pg, waiter_id id)
{
	pg->waiter[id] = (struct waiter){ .next = pg->waiter_free };
	pg->waiter_free = id;
	pg->waiting_count--;
}

void fault_answer(struct pager *pg, waiter_id id, uint64_t first,
		  uint64_t count, int error, uint64_t io_ns)
{
	const struct waiter *w = &pg->waiter[id];
	const struct segment *sg = &pg->segment[w->segment];
	struct pager_reply reply = {
		.cookie = w->cookie,
		.segment = w->segment,
		.page = page_index(sg, w->page),
		.first = first,
		.count = count,
		.kind = w->kind,
		.error = error,
		.start_ns = w->start_ns,
		.frame_ns = w->frame_ns,
		.io_ns = MAX(io_ns, w->frame_ns),
		.end_ns = pg->now_ns,
	};

	if (error == 0 || error == -EIO)
		pg->stats.faults[w->kind]++;
	waiter_put(pg, id);
	pg->ops->reply(pg->ctx, &reply);
}

/* Resident and whole: what a client may map. */
static bool is_mappable(const struct pager *pg, const struct segment *sg,
			uint64_t page)
{
	const struct page *p = &pg->page[sg->first + page];

	return page_next_used(pg, sg, page, 1) == page &&
	       p->state == PAGE_RESIDENT && !(p->flags & PAGE_PARTIAL);
}

/* Answer with the waiter's page and the resident ones behind it, `most` in
 * all: those that came in with it.  Others are mapped already, or were aged
 * and must show by a fault that they are in use. */
void fault_answer_resident(struct pager *pg, waiter_id id, uint64_t most,
			   uint64_t io_ns)
{
	const struct waiter *w = &pg->waiter[id];
	const struct segment *sg = &pg->segment[w->segment];
	uint64_t page = page_index(sg, w->page), end = page + 1;

	page_mark_used(pg, w->page);
	while (end < sg->page_count && end - page < most &&
	       is_mappable(pg, sg, end))
		end++;
	fault_answer(pg, id, page, end - page, 0, io_ns);
}

/* How many pages from `page` on may be zero-filled in one go. */
static uint32_t zero_extent(const struct pager *pg, const struct segment *sg,
			    uint64_t page, uint32_t window)
{
	uint32_t count = 1;
	uint32_t most = MIN(window, (uint32_t)BATCH_PAGES_MAX >> sg->order);

	most = (uint32_t)MIN((uint64_t)most, sg->page_count - page);
	while (count < most && frame_has_room(pg, sg, count + 1) &&
	       (page_next_used(pg, sg, page + count, 1) != page + count ||
		pg->page[sg->first + page + count].state == PAGE_ZERO))
		count++;
	return count;
}

/* Give `page` (ZERO), and up to window - 1 ZERO successors, zeroed frames.
 * False when not even the first could be; *ret_account as frame_get(). */
bool fault_fill_zero(struct pager *pg, segment_id segment, uint64_t page,
		     uint32_t window, account_id *ret_account,
		     uint32_t *ret_count)
{
	struct segment *sg = &pg->segment[segment];
	uint32_t count = zero_extent(pg, sg, page, window), got = 0;
	bool is_whole;

	for (; got < count; got++) {
		page_id id = (page_id)(sg->first + page + got);
		frame_id frame = frame_get(pg, segment, id, ret_account);

		if (frame == 0)
			break;
		pg->page[id].frame = frame;
		page_enter(pg, sg, id, PAGE_RESIDENT);
	}
	if (got == 0)
		return false;
	*ret_count = got;
	is_whole = pg->ops->install(pg->ctx, segment, page << sg->order,
				    (uint64_t)got << sg->order, NULL) == 0;
	for (uint32_t i = 0; i < got && !is_whole; i++)
		pg->page[sg->first + page + i].flags |= PAGE_PARTIAL;
	if (!is_whole) {
		*ret_account = 0;
		pg->is_starved = true;
		pg->stats.install_retries++;
	}
	return is_whole;
}

static uint32_t fault_window(struct pager *pg, struct segment *sg,
			     uint64_t page)
{
	uint32_t hits, window;

	window = stream_window(&sg->streams, sg->mode, page,
			       pg->config.readahead_max, &hits);
	pg->stats.readahead_hits += hits;
	return window;
}

static enum fault_step fault_zero(struct pager *pg, waiter_id id,
				  account_id *ret_account)
{
	struct waiter *w = &pg->waiter[id];
	struct segment *sg = &pg->segment[w->segment];
	uint64_t page = page_index(sg, w->page);
	uint32_t count;

	w->kind = FAULT_ZERO;
	if (!fault_fill_zero(pg, w->segment, page, fault_window(pg, sg, page),
			     ret_account, &count))
		return FAULT_MUST_WAIT;
	w->frame_ns = pg->now_ns;
	stream_advance(&sg->streams, page, page + count);
	fault_answer(pg, id, page, count, 0, 0);
	return FAULT_ENDED;
}

static enum fault_step fault_swapped(struct pager *pg, waiter_id id,
				     account_id *ret_account)
{
	struct waiter *w = &pg->waiter[id];
	struct segment *sg = &pg->segment[w->segment];
	uint64_t page = page_index(sg, w->page);
	batch_id batch;

	w->kind = FAULT_SWAP_IN;
	if (!load_start(pg, w->segment, page, fault_window(pg, sg, page),
			ret_account, &batch))
		return FAULT_MUST_WAIT;
	w->frame_ns = pg->now_ns;
	stream_advance(&sg->streams, page, page + pg->batch[batch].page_count);
	waiter_push(pg, &pg->batch[batch].waiting, id);
	return FAULT_ENDED;
}

static enum fault_step fault_resident(struct pager *pg, waiter_id id)
{
	struct waiter *w = &pg->waiter[id];
	struct segment *sg = &pg->segment[w->segment];
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
	fault_answer_resident(pg, id, 1, 0);
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
	switch ((enum page_state)p->state) {
	case PAGE_ZERO:
		return fault_zero(pg, id, ret_account);
	case PAGE_SWAPPED:
		return fault_swapped(pg, id, ret_account);
	case PAGE_LOADING:
		w->kind = FAULT_SWAP_IN;
		waiter_push(pg, &pg->batch[p->batch].waiting, id);
		return FAULT_ENDED;
	case PAGE_EVICTING:
		w->kind = FAULT_PUT_BACK;
		if (!evict_put_back(pg, w->page))
			return FAULT_MUST_WAIT;
		fault_answer_resident(pg, id, 1, 0);
		return FAULT_ENDED;
	case PAGE_RESIDENT:
		if (w->kind != FAULT_ZERO)
			w->kind = FAULT_HIT;
		return fault_resident(pg, id);
	case PAGE_LOST:
		w->kind = FAULT_LOST;
		fault_answer(pg, id, 0, 0, -EIO, 0);
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
		.error = error,
		.start_ns = pg->now_ns,
		.frame_ns = pg->now_ns,
		.io_ns = pg->now_ns,
		.end_ns = pg->now_ns,
	};

	pg->ops->reply(pg->ctx, &reply);
}

static void fault_wait(struct pager *pg, waiter_id id, account_id account)
{
	if (account == 0) {
		waiter_push(pg, &pg->pool_waiting, id);
		return;
	}
	waiter_push(pg, &pg->account[account].waiting, id);
	pg->account_waiting++;
}

/* Would this page's fault take a frame? */
static bool needs_frame(const struct page *p)
{
	return p->state == PAGE_ZERO || p->state == PAGE_SWAPPED;
}

void pager_fault(struct pager *pg, segment_id segment, uint64_t page,
		 bool is_write, uint64_t cookie, uint64_t now_ns)
{
	const struct segment *sg = &pg->segment[segment];
	account_id account = 0;
	waiter_id id;

	(void)is_write;		/* dirty is found by checksum */
	pg->now_ns = now_ns;
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
		.kind = FAULT_HIT,
		.is_used = true,
	};
	/* Those who came first get the next frame. */
	if ((pg->pool_waiting.head != 0 &&
	     needs_frame(&pg->page[sg->first + page])) ||
	    fault_try(pg, id, &account) == FAULT_MUST_WAIT) {
		pg->stats.frame_waits++;
		fault_wait(pg, id, account);
	}
}

/* Try the faults waiting for `own` (an account; 0: the pool) from the first
 * on, until one must go on waiting there.  Returns true when any moved on. */
static bool retry_queue(struct pager *pg, struct queue *q, account_id own)
{
	struct queue rest = *q;
	bool has_moved = false;
	waiter_id id;

	*q = (struct queue){ 0 };
	while ((id = waiter_pop(pg, &rest)) != 0) {
		account_id account;

		pg->account_waiting -= own != 0;
		if (fault_try(pg, id, &account) == FAULT_ENDED) {
			has_moved = true;
			continue;
		}
		fault_wait(pg, id, account);
		if (account == own)
			break;
		has_moved = true;
	}
	/* The one that could not go on is first, the rest behind it. */
	if (rest.head != 0) {
		if (q->tail != 0)
			pg->waiter[q->tail].next = rest.head;
		else
			q->head = rest.head;
		q->tail = rest.tail;
	}
	return has_moved;
}

/* Returns true when any waiting fault moved on. */
bool fault_retry_waiting(struct pager *pg)
{
	bool has_moved = retry_queue(pg, &pg->pool_waiting, 0);

	for (account_id id = 1; id <= pg->config.accounts_max &&
				pg->account_waiting != 0; id++)
		if (pg->account[id].waiting.head != 0)
			has_moved |= retry_queue(pg, &pg->account[id].waiting,
						 id);
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
			fault_answer(pg, id, 0, 0, error, 0);
		else
			waiter_push(pg, q, id);
	}
}

/* The same for an account's queue. */
void fault_fail_account(struct pager *pg, account_id account,
			segment_id segment, int error)
{
	uint32_t before = pg->waiting_count;

	fault_fail_waiting(pg, &pg->account[account].waiting, segment, error);
	pg->account_waiting -= before - pg->waiting_count;
}
