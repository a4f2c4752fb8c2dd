/* SPDX-License-Identifier: MIT */
/* struct memclient: the parts of one connection.  It is in memory of its own
 * (mmap), never on the heap: the program's heap may be managed memory, on which
 * the library's thread must not fault. */
#ifndef MEMD_CLIENT_CLIENT_H
#define MEMD_CLIENT_CLIENT_H

#include "client/fault/inline.h"
#include "client/fault/loop.h"
#include "client/include/memclient.h"
#include "client/link/engine.h"

struct memclient {
	struct settings settings;
	/* owned; NULL: the daemon is another process */
	struct memd_engine *engine;
	struct forks_entry open;	/* what a child of fork() must drop */
	struct inlines inlines;
	struct space space;
	struct commands commands;
	struct touched touched;
	struct bell bell;
	struct box box;
	struct area_files files;
	struct client_desk desk;
	struct direct direct;
	struct loop loop;
};

/* True in the child of a fork() that has inherited `mc`. */
static inline bool client_is_parents(const struct memclient *mc)
{
	return forks_is_parents(&mc->open);
}

/* Returns a connection with all fields zero and its tables initialized.  NULL:
 * no memory. */
struct memclient *client_create(void);
void client_destroy(struct memclient *mc);

/* Open the userfaultfd of inline regions.  0, or -errno with an error text. */
int client_open_inline(struct memclient *mc) MUST_CHECK;

/* Start the library's thread.  0, or -errno with an error text. */
int client_start(struct memclient *mc) MUST_CHECK;

/* Close the connection's descriptors in the program's table. */
void client_leave(struct memclient *mc);

#endif
