/* SPDX-License-Identifier: MIT */
#include "daemon/pager/fault_queue.h"

#include "daemon/pager/account.h"
#include "daemon/pager/page.h"

void fault_queue_push(struct fault_queue *q, struct fault *f)
{
	f->next = NULL;
	if (q->tail != NULL)
		q->tail->next = f;
	else
		q->head = f;
	q->tail = f;
}

void fault_queue_push_front(struct fault_queue *q, struct fault *f)
{
	f->next = q->head;
	q->head = f;
	if (q->tail == NULL)
		q->tail = f;
}

struct fault *fault_queue_pop(struct fault_queue *q)
{
	struct fault *f = q->head;

	if (f == NULL)
		return NULL;
	q->head = f->next;
	if (q->head == NULL)
		q->tail = NULL;
	return f;
}

void fault_serve(struct pager *pg, struct fault *f, account_id account)
{
	f->served_by = account;
	pg->account[account].serving_count++;
}

void fault_unserve(struct pager *pg, struct fault *f)
{
	account_id account = f->served_by;
	struct pager_account *ac = &pg->account[account];

	if (account == 0)
		return;
	f->served_by = 0;
	ac->serving_count--;
	if (ac->set_aside.head != NULL &&
	    ac->near_count + ac->serving_count == 0)
		account_list_add(pg, ACCOUNT_RETRY, account);
}

/* True if the client may map this page along with the fault's page.  Only pages
 * with one of the fault's flags qualify: other pages are mapped already, or
 * were aged, and then a fault must show that they are in use. */
static bool is_around(const struct pager *pg, const struct fault *f,
		      uint64_t page)
{
	const struct pager_segment *sg = &pg->segment[f->segment];

	return page_is_mappable(pg, sg, page) &&
	       (pg->frame[pg->page[sg->first + page].frame].flags &
		f->around_flags);
}

uint32_t fault_extent(const struct pager *pg, const struct fault *f)
{
	uint32_t count = 1;

	while (count < f->around &&
	       is_around(pg, f, f->page +
			 (uint64_t)(f->step * (int64_t)count)))
		count++;
	return count;
}
