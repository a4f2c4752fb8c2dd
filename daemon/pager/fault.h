/* SPDX-License-Identifier: MIT */
/* What each state of a page makes of a fault. */
#ifndef MEMD_PAGER_FAULT_H
#define MEMD_PAGER_FAULT_H

#include "daemon/pager/tables.h"

enum fault_step { FAULT_ENDED, FAULT_MUST_WAIT };

/* Answer the fault, hang it on its page's batch, or say what it lacks:
 * *ret_account's limit, or (0) the pool. */
enum fault_step fault_try(struct pager *pg, waiter_id id,
			  account_id *ret_account);

/* Some I/O that the fault waited for has ended.  As fault_try(); but where more
 * pages are about to come, and `may_hold`, it may go on to wait for them. */
enum fault_step fault_go_on(struct pager *pg, waiter_id id, bool may_hold,
			    uint64_t io_ns, account_id *ret_account);

#endif
