/* SPDX-License-Identifier: MIT */
/* Faults: from the kernel's message to a mapped or poisoned page.  Threads: the
 * library's thread. */
#ifndef MEMD_CLIENT_FAULT_PAGING_H
#define MEMD_CLIENT_FAULT_PAGING_H

#include "client/fault/fault.h"
#include "client/fault/mailbox.h"
#include "client/fault/own_faults.h"
#include "client/fault/touched.h"
#include "client/link/command.h"
#include "client/link/session.h"
#include "client/region/space.h"

struct paging {
	struct space *space;
	struct session *session;
	struct commands *commands;
	struct touched *touched;
	struct box *box;

	_Atomic uint64_t lost_page_count;	/* any thread may read it */
	struct faults faults;
	struct own_faults own;
};

/* Take a fault of a thread region. */
void paging_take_fault(struct paging *pg, const struct uffd_fault *uf);

/* Take a fault that a thread could not handle inline. */
void paging_take_command(struct paging *pg, struct command *c);

/* Take an answer of the daemon.  `id` is of kind REQUEST_FAULT. */
void paging_take_reply(struct paging *pg, uint64_t id,
		       const Memd__FaultReply *reply);
void paging_take_error(struct paging *pg, uint64_t id, int error);

/* The page is mapped: wake those that wait for it. */
void paging_page_is_mapped(struct paging *pg, const struct region *r,
			   uint64_t page);

/* End faults that are too late, and send those that are wanted.  True: the
 * daemon must be sent a Ring. */
bool paging_run(struct paging *pg);

/* The region's missing pages will never come: poison those that are waited
 * for. */
void paging_lose_region(struct paging *pg, struct region *r);

/* The region is being unmapped: end all its faults. */
void paging_forget_region(struct paging *pg, struct region *r);

#endif
