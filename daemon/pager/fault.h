/* SPDX-License-Identifier: MIT */
/* A fault: what the pager does, depending on the state of the page. */
#ifndef MEMD_PAGER_FAULT_H
#define MEMD_PAGER_FAULT_H

#include "daemon/pager/tables.h"

enum fault_step { FAULT_ENDED, FAULT_MUST_WAIT };

/* Answer the fault, or put it into the queue of the page's batch (FAULT_ENDED).
 * FAULT_MUST_WAIT: a frame or staging is missing.  *ret_account is then the
 * account whose limit is in the way, or 0 for the pool. */
enum fault_step fault_try(struct pager *pg, struct fault *f,
			  account_id *ret_account);

/* Go on with a fault whose I/O has ended.  As fault_try(), but with `may_hold`
 * the fault may also wait for the next batch of a reader.  io_ns is when the
 * I/O ended. */
enum fault_step fault_go_on(struct pager *pg, struct fault *f, bool may_hold,
			    uint64_t io_ns, account_id *ret_account);

#endif
