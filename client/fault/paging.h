/* SPDX-License-Identifier: MIT */
/* Faults, on the library's thread: from the kernel's message to a mapped (or
 * poisoned) page.  Part of the handler. */
#ifndef MEMD_CLIENT_FAULT_PAGING_H
#define MEMD_CLIENT_FAULT_PAGING_H

#include "client/client.h"

/* A fault in a thread region was read from the userfaultfd. */
void paging_take_fault(struct memclient *mc, const struct uffd_fault *uf);

/* A thread with an inline region could not help itself. */
void paging_take_command(struct memclient *mc, struct command *c);

/* Messages of the daemon.  A malformed one brings the link down. */
void paging_take_reply(struct memclient *mc,
		       const struct link_message *message);
void paging_take_error(struct memclient *mc, uint64_t request_id, int error);
void paging_take_ready(struct memclient *mc,
		       const struct link_message *message);
void paging_take_age(struct memclient *mc, const struct link_message *message);

/* Poison what is waited for and too late; send what is wanted. */
void paging_run(struct memclient *mc);

/* The region's missing pages will never come: poison those waited for. */
void paging_lose_region(struct memclient *mc, struct region *r);

/* The region is unmapped: nobody waits any more. */
void paging_forget_region(struct memclient *mc, struct region *r);

#endif
