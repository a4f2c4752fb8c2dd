/* SPDX-License-Identifier: MIT */
/* Direct installation: the engine in this process (link/engine.h) puts a page
 * that a thread waits for into the data file through that thread's own mapping.
 * So the page is mapped at once, and the thread need not map it.  A daemon in
 * another process does not do this, because it trusts no other address space.
 *
 * Only for faults of inline regions that are asked for in the mailbox. */
#ifndef MEMD_CLIENT_FAULT_DIRECT_H
#define MEMD_CLIENT_FAULT_DIRECT_H

#include "client/fault/mailbox.h"
#include "daemon/engine/memd_engine.h"

struct direct {
	struct box *box;	/* the mailbox */
	/* The region into which the engine is putting a page now. */
	_Atomic(const struct region *) busy;
};

/* The functions that the engine calls.  `d` must outlive the engine.  `uffd`:
 * of inline regions, borrowed. */
struct memd_engine_program direct_program(struct direct *d, int uffd);

/* Make sure that the engine puts nothing into `r` any more.  Waits while the
 * engine is doing so.  The region's state is FREE afterwards.  Library's thread
 * only. */
void direct_withdraw(struct direct *d, struct region *r);

#endif
