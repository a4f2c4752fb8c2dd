/* SPDX-License-Identifier: MIT */
/* Answers to faults. */
#ifndef MEMD_PAGER_ANSWER_H
#define MEMD_PAGER_ANSWER_H

#include "daemon/pager/tables.h"

/* Both functions answer the fault and free the waiter. */
void answer_failed(struct pager *pg, waiter_id id, int error);
/* The fault's page is RESIDENT: answer with it and with `count` - 1 pages
 * behind it in the waiter's direction, which are RESIDENT too.  io_ns is when
 * its I/O ended; 0: there was none. */
void answer_resident(struct pager *pg, waiter_id id, uint32_t count,
		     uint64_t io_ns);

#endif
