/* SPDX-License-Identifier: MIT */
/* Faults that wait.  A fault that lacks a frame (or staging) waits in the queue
 * of the pool: first come, first served.  A fault that is over its account's
 * limit waits in the queue of that account, so it delays no other account.  A
 * fault that is taken from a queue starts from the beginning, because its page
 * may be in any state by then. */
#include "daemon/pager/waiting.h"

#include "daemon/pager/account.h"
#include "daemon/pager/ahead.h"
#include "daemon/pager/answer.h"
#include "daemon/pager/fault.h"
#include "daemon/pager/fault_queue.h"
#include <errno.h>

/* The limit of the faults of an account that are served at the same time.  One
 * instruction may need four pages at once (on x86 seldom eight).  With many
 * threads and a small limit, each thread would lose its first page before it
 * has its last one, and none would make progress.  So most faults are set
 * aside, and a thread that was served has room for its next fault.  After a
 * fault was brought back from set_aside, the limit is higher by one for a
 * while; then another fault is set aside. */
/* Faults served between bringing one back and the next. */
enum { SERVED_BETWEEN = 8 };

static uint64_t near_max(const struct pager_account *ac)
{
	return account_effective_limit(ac, 1) / 8 +
	       (ac->served_count < SERVED_BETWEEN / 2);
}

static void waiting_add(struct pager *pg, struct fault *f, account_id account)
{
	struct pager_account *ac = &pg->account[account];

	fault_unserve(pg, f);
	if (account == 0) {
		fault_queue_push(&pg->pool_waiting, f);
		return;
	}
	pg->account_waiting++;
	account_list_add(pg, ACCOUNT_PRESSED, account);
	if (ac->near_count + ac->serving_count >= near_max(ac)) {
		fault_queue_push(&ac->set_aside, f);
		return;
	}
	fault_queue_push(&ac->waiting, f);
	ac->near_count++;
}

/* True if a fault on this page takes a frame. */
static bool needs_frame(const struct page *p)
{
	return p->state == PAGE_ZERO || p->state == PAGE_SWAPPED;
}

void pager_fault(struct pager *pg, struct fault *f, uint64_t now_ns)
{
	struct pager_segment *sg = &pg->segment[f->segment];
	account_id account = 0;

	pg->now_ns = pg->fault_ns = now_ns;
	ASSERT(f->segment <= pg->config.segments_max);
	f->kind = FAULT_HIT;
	f->start_ns = f->frame_ns = now_ns;
	f->served_by = 0;
	if (f->segment == 0 || sg->state != SEGMENT_LIVE ||
	    f->page >= sg->page_count) {
		answer_no_page(pg, f);
		return;
	}
	sg->waiting_count++;
	pg->waiting_count++;
	/* Faults that came earlier get the next frame. */
	if ((pg->pool_waiting.head != NULL &&
	     needs_frame(&pg->page[fault_page(pg, f)])) ||
	    fault_try(pg, f, &account) == FAULT_MUST_WAIT) {
		pg->stats.faults_waited++;
		waiting_add(pg, f, account);
	}
	if (pg->ahead_count != 0)
		(void)ahead_run(pg);
}

/* Try the faults in the pool's queue, from the first on, until one must wait
 * there again.  Returns true if any went on. */
static bool retry_pool(struct pager *pg)
{
	bool has_moved = false;
	struct fault *f;

	while ((f = fault_queue_pop(&pg->pool_waiting)) != NULL) {
		account_id account;

		if (fault_try(pg, f, &account) == FAULT_MUST_WAIT) {
			if (account == 0) {
				fault_queue_push_front(&pg->pool_waiting, f);
				break;
			}
			waiting_add(pg, f, account);
		}
		has_moved = true;
	}
	return has_moved;
}

/* Bring back one fault that was set aside, from time to time, so that each is
 * served at some time. */
static void bring_back(struct pager *pg, struct pager_account *ac)
{
	if (ac->set_aside.head == NULL ||
	    (ac->near_count + ac->serving_count != 0 &&
	     ac->served_count < SERVED_BETWEEN))
		return;
	fault_queue_push_front(&ac->waiting, fault_queue_pop(&ac->set_aside));
	ac->near_count++;
	ac->served_count = 0;
	account_list_add(pg, ACCOUNT_PRESSED, (account_id)(ac - pg->account));
}

/* As retry_pool(), for the queue of an account. */
static bool retry_account(struct pager *pg, account_id own)
{
	struct pager_account *ac = &pg->account[own];
	bool has_moved = false;
	struct fault *f;

	bring_back(pg, ac);
	while ((f = fault_queue_pop(&ac->waiting)) != NULL) {
		account_id account;

		ac->near_count--;
		pg->account_waiting--;
		fault_serve(pg, f, own);
		if (fault_try(pg, f, &account) == FAULT_MUST_WAIT) {
			f->served_by = 0;
			ac->serving_count--;
			if (account == own) {
				fault_queue_push_front(&ac->waiting, f);
				ac->near_count++;
				pg->account_waiting++;
				break;
			}
			waiting_add(pg, f, account);
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

	/* This frees no frames, so no account is added to the list again. */
	while ((id = account_list_take(pg, ACCOUNT_RETRY)) != 0)
		has_moved |= retry_account(pg, id);
	return has_moved;
}

void waiting_end(struct pager *pg, struct fault_queue *q, bool may_hold,
		 uint64_t io_ns)
{
	struct fault_queue all = *q;
	account_id account;
	struct fault *f;

	*q = (struct fault_queue){ 0 };
	while ((f = fault_queue_pop(&all)) != NULL)
		if (fault_go_on(pg, f, may_hold, io_ns, &account) ==
		    FAULT_MUST_WAIT)
			waiting_add(pg, f, account);
}

/* Answer the faults of `segment` (0: all) in the queue with `error`. */
static void fail_queue(struct pager *pg, struct fault_queue *q,
		       segment_id segment, int error)
{
	struct fault_queue all = *q;
	struct fault *f;

	*q = (struct fault_queue){ 0 };
	while ((f = fault_queue_pop(&all)) != NULL) {
		if (segment == 0 || f->segment == segment)
			answer_failed(pg, f, error);
		else
			fault_queue_push(q, f);
	}
}

/* As fail_queue(), for the queues of an account. */
static void fail_account(struct pager *pg, account_id account,
			 segment_id segment, int error)
{
	struct pager_account *ac = &pg->account[account];
	uint32_t before = pg->waiting_count;

	fail_queue(pg, &ac->waiting, segment, error);
	ac->near_count -= before - pg->waiting_count;
	fail_queue(pg, &ac->set_aside, segment, error);
	pg->account_waiting -= before - pg->waiting_count;
	/* The fault that is first now may need fewer frames. */
	if (ac->waiting.head != NULL || ac->set_aside.head != NULL)
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
		fail_queue(pg, &pg->batch[id].waiting, segment, -EFAULT);
	ASSERT(sg->waiting_count == 0);
}

void waiting_fail_batch(struct pager *pg, struct batch *b)
{
	fail_queue(pg, &b->waiting, 0, -EBUSY);
}

void waiting_fail_hopeless(struct pager *pg)
{
	account_id last = pg->accounts[ACCOUNT_PRESSED].tail, id = 0;

	fail_queue(pg, &pg->pool_waiting, 0, -ENOMEM);
	/* Every account with waiting faults is on the list of pressed accounts.
	 * An account that has too much stays there. */
	while (id != last) {
		id = account_list_take(pg, ACCOUNT_PRESSED);
		fail_account(pg, id, 0, -ENOMEM);
		account_list_add(pg, ACCOUNT_PRESSED, id);
	}
}
