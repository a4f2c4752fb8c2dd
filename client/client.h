/* SPDX-License-Identifier: MIT */
/* struct memclient: what one connection consists of.  It lies in memory of
 * its own (mmap), never on the heap, because the heap of the program may be
 * managed memory and the library's thread must not fault on that. */
#ifndef MEMD_CLIENT_CLIENT_H
#define MEMD_CLIENT_CLIENT_H

#include "client/link/command.h"
#include "client/link/engine.h"
#include "client/link/forks.h"
#include "client/fault/handler.h"
#include "client/include/memclient.h"
#include "client/fault/lane.h"
#include "client/fault/mailbox.h"
#include "client/region/region.h"
#include "client/link/settings.h"
#include "client/fault/touched.h"
#include "common/descriptor.h"

struct memclient {
	struct settings settings;
	struct memd_engine *engine;	/* owned; NULL: a daemon's client */
	uint32_t long_names;		/* settings that the address spells
					 * long: address_long_names() */

	struct memclient *next_open;	/* list of connections: forks.c */
	_Atomic bool is_parents;	/* the process is a forked child, and
					 * this connection its parent's */

	/* The userfaultfd of inline regions, in the program's table of
	 * descriptors.  The program may close it, so every use of it may
	 * fail. */
	int inline_fd;
	struct descriptor_id inline_id;
	bool can_poison;

	_Atomic uint64_t reconnect_count;
	_Atomic uint64_t lost_page_count;

	/* Where the engine is just putting a page: direct.c. */
	_Atomic(const struct region *) direct_busy;

	struct regions regions;		/* written by the handler */
	struct commands commands;
	struct touched touched;
	struct lanes lanes;
	struct box box;
	struct handler handler;		/* the library's thread's own */
};

static inline bool client_is_child(const struct memclient *mc)
{
	return forks_is_child() || atomic_load(&mc->is_parents);
}

/* All zeros, with the tables initialized.  NULL: no memory. */
struct memclient *client_create(void);
void client_destroy(struct memclient *mc);

/* Open inline_fd: 0, or -errno with an error text. */
int client_open_inline(struct memclient *mc) MUST_CHECK;

/* Close it, and the lanes, as far as they are still what we opened. */
void client_close_descriptors(struct memclient *mc);

/* client_close_descriptors() at the end of a connection, and take it off the
 * list of connections. */
void client_leave(struct memclient *mc);

#endif
