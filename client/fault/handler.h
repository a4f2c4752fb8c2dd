/* SPDX-License-Identifier: MIT */
/* A turn of the library's thread: every fault, command and message goes to the
 * module that deals with it, and the modules are told when a session begins or
 * ends.  loop.h has the thread itself. */
#ifndef MEMD_CLIENT_FAULT_HANDLER_H
#define MEMD_CLIENT_FAULT_HANDLER_H

#include "client/fault/client_desk.h"
#include "client/fault/direct.h"
#include "client/fault/paging.h"
#include "client/fault/rejoin.h"
#include "client/fault/request.h"

/* Parts that the library's thread shares with the program's threads. */
struct handler_parts {
	const struct settings *settings;
	struct space *space;
	struct commands *commands;
	struct touched *touched;
	struct bell_hook hook;
	struct box *box;
	struct area_hook area_hook;
	struct area_files *files;
	struct client_desk *desk;
	struct direct *direct;
};

struct handler {
	struct handler_parts shared;
	struct session session;
	struct paging paging;
	struct requests requests;
	struct rejoin rejoin;
	int mailbox_fd;		/* received and not mapped yet; -1: none */
	int desk_fd;		/* the same */
	bool has_begun_desk;	/* the daemon knows that we use it */
	bool must_ring;		/* a Ring must be sent */
	bool is_stopping;
	uint64_t touched_ns;	/* when to report minor faults */
};

/* `h` must be all zeros. */
void handler_init(struct handler *h, const struct handler_parts *parts);

/* Begin the first session: see session_open(). */
int handler_open(struct handler *h) MUST_CHECK;

/* Take a fault or a command that uffd_read() has returned. */
void handler_take_fault(struct handler *h, const struct uffd_fault *uf);

/* Deal with the messages that were received. */
void handler_take_messages(struct handler *h);

/* Take the answers in the mailbox.  True if there were any. */
bool handler_take_mail(struct handler *h);

/* The rest of a turn: do what is due, end what is late, send. */
void handler_run(struct handler *h);

/* The process was stopped for lost_ns: move all deadlines by that. */
void handler_postpone(struct handler *h, uint64_t lost_ns);

/* When handler_run() must be called again; UINT64_MAX: never. */
uint64_t handler_next_ns(struct handler *h);

/* Unmap all regions. */
void handler_unmap_all(struct handler *h);

/* Say goodbye to the daemon, and close the link. */
void handler_close(struct handler *h);

#endif
