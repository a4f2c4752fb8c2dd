/* SPDX-License-Identifier: MIT */
/* struct memclient: what one connection consists of.  It lies in memory of
 * its own (mmap), never on the heap, because the heap of the program may be
 * managed memory and the library's thread must not fault on that. */
#ifndef MEMD_CLIENT_CLIENT_H
#define MEMD_CLIENT_CLIENT_H

#include "client/fault/inline.h"
#include "client/fault/loop.h"
#include "client/include/memclient.h"
#include "client/link/engine.h"

struct memclient {
	struct settings settings;
	struct memd_engine *engine;	/* owned; NULL: a daemon's client */
	struct forks_entry open;	/* what a child has to drop */
	struct inlines inlines;
	struct space space;
	struct commands commands;
	struct touched touched;
	struct lanes lanes;
	struct box box;
	struct direct direct;
	struct loop loop;
};

/* Is it our parent's? */
static inline bool client_is_parents(const struct memclient *mc)
{
	return forks_is_parents(&mc->open);
}

/* All zeros, with the tables initialized.  NULL: no memory. */
struct memclient *client_create(void);
void client_destroy(struct memclient *mc);

/* Open the userfaultfd of inline regions: 0, or -errno with an error text. */
int client_open_inline(struct memclient *mc) MUST_CHECK;

/* Start the library's thread: 0, or -errno with an error text. */
int client_start(struct memclient *mc) MUST_CHECK;

/* Close what is ours in the program's table of descriptors. */
void client_leave(struct memclient *mc);

#endif
