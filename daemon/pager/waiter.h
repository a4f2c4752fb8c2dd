/* SPDX-License-Identifier: MIT */
/* Faults that are not answered: entries, queues, and how far the answer to one
 * may reach. */
#ifndef MEMD_PAGER_WAITER_H
#define MEMD_PAGER_WAITER_H

#include "daemon/pager/tables.h"

waiter_id waiter_get(struct pager *pg);		/* 0: there is none */
void waiter_put(struct pager *pg, waiter_id id);

void waiter_push(struct pager *pg, struct waiter_queue *q, waiter_id id);
void waiter_push_front(struct pager *pg, struct waiter_queue *q, waiter_id id);
waiter_id waiter_pop(struct pager *pg, struct waiter_queue *q);

/* It had a frame within the limit of `account`, and will be answered. */
void waiter_serve(struct pager *pg, waiter_id id, account_id account);
/* It has been answered, or must wait once more. */
void waiter_unserve(struct pager *pg, waiter_id id);

/* How many pages its answer can speak of, its own (which is RESIDENT)
 * included. */
uint32_t waiter_extent(const struct pager *pg, const struct waiter *w);

#endif
