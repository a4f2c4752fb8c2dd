/* SPDX-License-Identifier: MIT */
/* Faults, on the library's thread: from the kernel's message to a mapped (or
 * poisoned) page. */
#ifndef MEMD_CLIENT_FAULT_PAGING_H
#define MEMD_CLIENT_FAULT_PAGING_H

#include "client/fault/fault.h"
#include "client/fault/mailbox.h"
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
};

/* A fault in a thread region was read from the userfaultfd. */
void paging_take_fault(struct paging *pg, const struct uffd_fault *uf);

/* A thread with an inline region could not help itself. */
void paging_take_command(struct paging *pg, struct command *c);

/* Answers of the daemon.  `id` is of kind REQUEST_FAULT. */
void paging_take_reply(struct paging *pg, uint64_t id,
		       const Memd__FaultReply *reply);
void paging_take_error(struct paging *pg, uint64_t id, int error);

/* Poison what is waited for and too late; send what is wanted.  Returns whether
 * the daemon must be sent a Ring. */
bool paging_run(struct paging *pg);

/* The region's missing pages will never come: poison those waited for. */
void paging_lose_region(struct paging *pg, struct region *r);

/* The region is unmapped: nobody waits any more. */
void paging_forget_region(struct paging *pg, struct region *r);

#endif
