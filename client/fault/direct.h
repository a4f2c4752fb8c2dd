/* SPDX-License-Identifier: MIT */
/* Pages that come in at once where they were touched: the engine of this
 * process (engine.h) puts a page that a thread waits for into the data file
 * through that thread's own mapping, which saves the thread mapping it.  Memory
 * of a daemon's has no such thing: a daemon trusts no other address space.
 *
 * Only faults of inline regions that are asked for in the mailbox. */
#ifndef MEMD_CLIENT_FAULT_DIRECT_H
#define MEMD_CLIENT_FAULT_DIRECT_H

#include "client/region/region.h"
#include "daemon/embedded.h"

struct memclient;

/* What the engine gets; borrowed from `mc`, which outlives the engine. */
struct memd_engine_program direct_program(struct memclient *mc);

/* The library's thread: nobody may put anything into `r` any more.  Waits for
 * one who is just doing it.  The region's state is FREE afterwards. */
void direct_withdraw(struct memclient *mc, struct region *r);

#endif
