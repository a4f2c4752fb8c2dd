/* SPDX-License-Identifier: MIT */
/* Faults that are not answered yet: their queues, their accounts, and how many
 * pages an answer may cover. */
#ifndef MEMD_PAGER_FAULT_QUEUE_H
#define MEMD_PAGER_FAULT_QUEUE_H

#include "daemon/pager/tables.h"

void fault_queue_push(struct fault_queue *q, struct fault *f);
void fault_queue_push_front(struct fault_queue *q, struct fault *f);
/* NULL: the queue is empty. */
struct fault *fault_queue_pop(struct fault_queue *q);

/* The fault was served within the limit of `account`: it has a frame, and will
 * be answered. */
void fault_serve(struct pager *pg, struct fault *f, account_id account);
/* The fault has been answered, or must wait again. */
void fault_unserve(struct pager *pg, struct fault *f);

/* Where its page is in the table of pages. */
static inline page_id fault_page(const struct pager *pg, const struct fault *f)
{
	return (page_id)(pg->segment[f->segment].first + f->page);
}

/* How many pages the answer can cover, including the fault's own page, which
 * must be RESIDENT. */
uint32_t fault_extent(const struct pager *pg, const struct fault *f);

#endif
