/* SPDX-License-Identifier: MIT */
#include "daemon/pager/waiter.h"

#include "daemon/pager/account.h"
#include "daemon/pager/page.h"

void waiter_push(struct pager *pg, struct waiter_queue *q, waiter_id id)
{
	pg->waiter[id].next = 0;
	if (q->tail != 0)
		pg->waiter[q->tail].next = id;
	else
		q->head = id;
	q->tail = id;
}

waiter_id waiter_pop(struct pager *pg, struct waiter_queue *q)
{
	waiter_id id = q->head;

	if (id == 0)
		return 0;
	q->head = pg->waiter[id].next;
	if (q->head == 0)
		q->tail = 0;
	return id;
}

void waiter_push_front(struct pager *pg, struct waiter_queue *q, waiter_id id)
{
	pg->waiter[id].next = q->head;
	q->head = id;
	if (q->tail == 0)
		q->tail = id;
}

waiter_id waiter_get(struct pager *pg)
{
	waiter_id id = pg->waiter_free;

	if (id > pg->config.faults_max)
		return 0;
	pg->waiter_free = next_free_entry(id, pg->waiter[id].next);
	pg->waiting_count++;
	return id;
}

void waiter_serve(struct pager *pg, waiter_id id, account_id account)
{
	pg->waiter[id].served_by = account;
	pg->account[account].serving_count++;
}

void waiter_unserve(struct pager *pg, waiter_id id)
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

/* True if the client may map this page along with the waiter's page.  Only
 * pages with one of the waiter's flags qualify: other pages are mapped already,
 * or were aged, and then a fault must show that they are in use. */
static bool is_around(const struct pager *pg, const struct waiter *w,
		      uint64_t page)
{
	const struct pager_segment *sg = &pg->segment[w->segment];

	return page_is_mappable(pg, sg, page) &&
	       (pg->frame[pg->page[sg->first + page].frame].flags &
		w->around_flags);
}

uint32_t waiter_extent(const struct pager *pg, const struct waiter *w)
{
	uint64_t page = page_index(&pg->segment[w->segment], w->page);
	uint32_t count = 1;

	while (count < w->around &&
	       is_around(pg, w, page + (uint64_t)(w->step * (int64_t)count)))
		count++;
	return count;
}
