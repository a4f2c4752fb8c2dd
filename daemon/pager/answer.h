/* SPDX-License-Identifier: MIT */
/* Answers to faults. */
#ifndef MEMD_PAGER_ANSWER_H
#define MEMD_PAGER_ANSWER_H

#include "daemon/pager/tables.h"

/* Both end the waiter. */
void answer_failed(struct pager *pg, waiter_id id, int error);
/* Its own page is there; speak of `count` that are. */
void answer_resident(struct pager *pg, waiter_id id, uint32_t count,
		     uint64_t io_ns);

#endif
