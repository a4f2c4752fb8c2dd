/* SPDX-License-Identifier: MIT */
/* Messages that the daemon sends unasked.  Ready: pages that are present before
 * a thread has touched them.  Age: pages whose next touch the daemon wants to
 * know of.  A message with too many ranges brings the link down.
 *
 * Threads: the library's thread. */
#ifndef MEMD_CLIENT_FAULT_HINT_H
#define MEMD_CLIENT_FAULT_HINT_H

#include "client/fault/touched.h"
#include "client/link/link.h"
#include "client/region/space.h"

/* Map the pages that Ready names, in all regions of its segment. */
void hint_take_ready(struct space *sp, struct link *l,
		     const Memd__Ready *ready);

/* Unmap the pages that Age names, except pinned ones.  Then report the touched
 * pages, which the daemon waits for. */
void hint_take_age(struct space *sp, struct touched *t, struct link *l,
		   const Memd__Age *age);

#endif
