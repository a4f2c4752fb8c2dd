/* SPDX-License-Identifier: MIT */
/* Waiters: faults that are not answered yet.  Entries, queues, and how many
 * pages an answer may cover. */
#ifndef MEMD_PAGER_WAITER_H
#define MEMD_PAGER_WAITER_H

#include "daemon/pager/tables.h"

waiter_id waiter_get(struct pager *pg);		/* 0: all are in use */
void waiter_put(struct pager *pg, waiter_id id);

void waiter_push(struct pager *pg, struct waiter_queue *q, waiter_id id);
void waiter_push_front(struct pager *pg, struct waiter_queue *q, waiter_id id);
waiter_id waiter_pop(struct pager *pg, struct waiter_queue *q);

/* The fault was served within the limit of `account`: it has a frame, and will
 * be answered. */
void waiter_serve(struct pager *pg, waiter_id id, account_id account);
/* The fault has been answered, or must wait again. */
void waiter_unserve(struct pager *pg, waiter_id id);

/* How many pages the answer can cover, including the waiter's own page, which
 * must be RESIDENT. */
uint32_t waiter_extent(const struct pager *pg, const struct waiter *w);

#endif
