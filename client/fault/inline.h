/* SPDX-License-Identifier: MIT */
/* Inline regions: the faulting thread handles its faults, in a SIGBUS
 * handler. */
#ifndef MEMD_CLIENT_FAULT_INLINE_H
#define MEMD_CLIENT_FAULT_INLINE_H

#include "client/fault/client_desk.h"
#include "client/fault/mailbox.h"
#include "client/fault/touched.h"
#include "client/link/command.h"
#include "client/link/forks.h"

enum { INLINE_CLIENTS_MAX = 64 };

/* A connection, as the SIGBUS handler knows it. */
struct inlines {
	/* The userfaultfd of inline regions, in the program's table of
	 * descriptors.  The program may close it, so every use may fail.  -1:
	 * none. */
	int uffd;
	struct descriptor_id uffd_id;
	bool has_engine;	/* the daemon is in this process */
	const struct forks_entry *open;
	const struct settings *settings;
	struct regions *regions;
	struct commands *commands;
	struct touched *touched;
	struct box *box;
	struct client_desk *desk;
};

/* Install the SIGBUS handler (once for the process), and make `in` known to it.
 * Call this before the first inline region; calling it again does nothing.
 * Returns 0, -EMFILE (64 connections have inline regions), or -errno. */
int inline_add(struct inlines *in) MUST_CHECK;

/* Wait until no SIGBUS handler looks at `in` any more. */
void inline_remove(struct inlines *in);

#endif
