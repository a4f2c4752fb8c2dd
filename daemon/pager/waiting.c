/* SPDX-License-Identifier: MIT */
/* A fault that lacks a frame (or staging) waits in the pool's queue, first
 * come first served; one that is over its account's limit waits in that
 * account's queue, so that it delays nobody else.  Popped again, it starts
 * from the beginning: the page may be in any state by then. */
#include "daemon/pager/waiting.h"

#include "daemon/pager/account.h"
#include "daemon/pager/ahead.h"
#include "daemon/pager/answer.h"
#include "daemon/pager/fault.h"
#include "daemon/pager/waiter.h"
#include <errno.h>

static void refuse_at_once(struct pager *pg, segment_id segment, uint64_t page,
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

	pg->up->reply(pg->up_ctx, &reply);
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

static void waiting_add(struct pager *pg, waiter_id id, account_id account)
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
		refuse_at_once(pg, segment, page, cookie, -EFAULT);
		return;
	}
	id = waiter_get(pg);
	if (id == 0) {
		refuse_at_once(pg, segment, page, cookie, -EBUSY);
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
		waiting_add(pg, id, account);
	}
	if (pg->ahead_count != 0)
		(void)ahead_run(pg);
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
			waiting_add(pg, id, account);
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
		pg->account_waiting--;
		waiter_serve(pg, id, own);
		if (fault_try(pg, id, &account) == FAULT_MUST_WAIT) {
			pg->waiter[id].served_by = 0;
			ac->serving_count--;
			if (account == own) {
				waiter_push_front(pg, &ac->waiting, id);
				ac->near_count++;
				pg->account_waiting++;
				break;
			}
			waiting_add(pg, id, account);
		}
		ac->served_count++;
		bring_back(pg, ac);
		has_moved = true;
	}
	return has_moved;
}

bool waiting_retry(struct pager *pg)
{
	bool has_moved = retry_pool(pg);
	account_id id;

	/* No frame becomes free by this, so no account comes twice. */
	while ((id = account_list_take(pg, ACCOUNT_RETRY)) != 0)
		has_moved |= retry_account(pg, id);
	return has_moved;
}

void waiting_end_load(struct pager *pg, struct batch *b, bool may_hold)
{
	struct waiter_queue all = b->waiting;
	account_id account;
	waiter_id id;

	b->waiting = (struct waiter_queue){ 0 };
	while ((id = waiter_pop(pg, &all)) != 0)
		if (fault_go_on(pg, id, may_hold, b->io_ns, &account) ==
		    FAULT_MUST_WAIT)
			waiting_add(pg, id, account);
}

/* Answer the faults of `segment` (0: of all) in the queue with `error`. */
static void fail_queue(struct pager *pg, struct waiter_queue *q,
		       segment_id segment, int error)
{
	struct waiter_queue all = *q;
	waiter_id id;

	*q = (struct waiter_queue){ 0 };
	while ((id = waiter_pop(pg, &all)) != 0) {
		if (segment == 0 || pg->waiter[id].segment == segment)
			answer_failed(pg, id, error);
		else
			waiter_push(pg, q, id);
	}
}

/* The same for an account's queue. */
static void fail_account(struct pager *pg, account_id account,
			 segment_id segment, int error)
{
	struct pager_account *ac = &pg->account[account];
	uint32_t before = pg->waiting_count;

	fail_queue(pg, &ac->waiting, segment, error);
	ac->near_count -= before - pg->waiting_count;
	fail_queue(pg, &ac->set_aside, segment, error);
	pg->account_waiting -= before - pg->waiting_count;
	/* The first one now may lack less than the one that was. */
	if (ac->waiting.head != 0 || ac->set_aside.head != 0)
		account_list_add(pg, ACCOUNT_RETRY, account);
}

void waiting_fail_segment(struct pager *pg, segment_id segment)
{
	struct pager_segment *sg = &pg->segment[segment];

	if (sg->waiting_count == 0)
		return;
	fail_queue(pg, &pg->pool_waiting, segment, -EFAULT);
	for (account_id id = sg->account; id != 0;
	     id = pg->account[id].parent)
		fail_account(pg, id, segment, -EFAULT);
	for (batch_id id = 1; id < pg->batch_table.element_count; id++)
		if (pg->batch[id].kind == BATCH_LOAD &&
		    pg->batch[id].segment[0] == segment)
			fail_queue(pg, &pg->batch[id].waiting, 0, -EFAULT);
	ASSERT(sg->waiting_count == 0);
}

void waiting_fail_hopeless(struct pager *pg)
{
	account_id last = pg->accounts[ACCOUNT_PRESSED].tail, id = 0;

	fail_queue(pg, &pg->pool_waiting, 0, -ENOMEM);
	/* All accounts that have some waiting are pressed; one that has too
	 * much stays so. */
	while (id != last) {
		id = account_list_take(pg, ACCOUNT_PRESSED);
		fail_account(pg, id, 0, -ENOMEM);
		account_list_add(pg, ACCOUNT_PRESSED, id);
	}
}
