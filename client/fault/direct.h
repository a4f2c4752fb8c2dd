/* SPDX-License-Identifier: MIT */
/* Pages that come in at once where they were touched: the engine of this
 * process (engine.h) puts a page that a thread waits for into the data file
 * through that thread's own mapping, which saves the thread mapping it.  Memory
 * of a daemon's has no such thing: a daemon trusts no other address space.
 *
 * Only faults of inline regions that are asked for in the mailbox. */
#ifndef MEMD_CLIENT_FAULT_DIRECT_H
#define MEMD_CLIENT_FAULT_DIRECT_H

#include "client/fault/mailbox.h"
#include "daemon/engine/memd_engine.h"

struct direct {
	struct box *box;	/* in which pages are asked for */
	/* Where the engine is just putting a page. */
	_Atomic(const struct region *) busy;
};

/* What the engine gets; `d` outlives the engine.  `uffd`: of inline regions,
 * borrowed. */
struct memd_engine_program direct_program(struct direct *d, int uffd);

/* The library's thread: nobody may put anything into `r` any more.  Waits for
 * one who is just doing it.  The region's state is FREE afterwards. */
void direct_withdraw(struct direct *d, struct region *r);

#endif
