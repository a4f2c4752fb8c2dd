/* SPDX-License-Identifier: MIT */
/* What the library's thread does in a turn: it gives every fault, command and
 * message to the module whose it is, and tells them when the session begins
 * and ends.  loop.h has the thread itself. */
#ifndef MEMD_CLIENT_FAULT_HANDLER_H
#define MEMD_CLIENT_FAULT_HANDLER_H

#include "client/fault/direct.h"
#include "client/fault/lane.h"
#include "client/fault/paging.h"
#include "client/fault/rejoin.h"
#include "client/fault/request.h"

/* What the handler shares with the program's threads. */
struct handler_parts {
	const struct settings *settings;
	struct space *space;
	struct commands *commands;
	struct touched *touched;
	struct lanes *lanes;
	struct box *box;
	struct direct *direct;
};

struct handler {
	struct handler_parts shared;
	struct session session;
	struct paging paging;
	struct requests requests;
	struct rejoin rejoin;
	int mailbox_fd;		/* came, is not mapped yet; -1: none */
	bool must_ring;		/* for the mailbox */
	bool is_stopping;
	uint64_t touched_ns;	/* report minor faults then */
};

/* `h` is all zeros. */
void handler_init(struct handler *h, const struct handler_parts *parts);

/* The first session: see session_open(). */
int handler_open(struct handler *h) MUST_CHECK;

/* A fault was read. */
void handler_take_fault(struct handler *h, const struct uffd_fault *uf);

/* Hand out what was received. */
void handler_take_messages(struct handler *h);

/* Take the answers that are in the mailbox.  Returns whether there were any. */
bool handler_take_mail(struct handler *h);

/* The rest of a turn: what is due, what is late, what is to be sent. */
void handler_run(struct handler *h);

/* For so long nobody could do anything: all deadlines are later. */
void handler_postpone(struct handler *h, uint64_t lost_ns);

/* When handler_run() must be called again, UINT64_MAX if never. */
uint64_t handler_next_ns(struct handler *h);

/* Unmap all regions. */
void handler_unmap_all(struct handler *h);

/* Say goodbye, and close the link. */
void handler_close(struct handler *h);

#endif
