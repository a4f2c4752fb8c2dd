/* SPDX-License-Identifier: MIT */
/* What the daemon says unasked, on the library's thread: pages that are there
 * before anybody has touched them, and pages whose next touch it wants to hear
 * of.  What names too much brings the link down. */
#ifndef MEMD_CLIENT_FAULT_HINT_H
#define MEMD_CLIENT_FAULT_HINT_H

#include "client/fault/touched.h"
#include "client/link/link.h"
#include "client/region/space.h"

/* Map what Ready names, in all regions of its segment. */
void hint_take_ready(struct space *sp, struct link *l,
		     const Memd__Ready *ready);

/* Unmap what Age names and is not pinned; then tell what was touched before,
 * which is what the daemon waits for. */
void hint_take_age(struct space *sp, struct touched *t, struct link *l,
		   const Memd__Age *age);

#endif
