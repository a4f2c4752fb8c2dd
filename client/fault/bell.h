/* SPDX-License-Identifier: MIT */
/* The bell of the mailbox: with it a faulting thread wakes the daemon, from its
 * SIGBUS handler.  See bell.c for why that is safe.
 *
 * The bell comes from the daemon to the library's thread, whose descriptors are
 * in a table of its own (H5 in loop.c).  That thread hangs it on a *hook*: a
 * pair of sockets, in whose queue the bell is.  Faulting threads fetch a copy
 * from there, into the program's table. */
#ifndef MEMD_CLIENT_FAULT_BELL_H
#define MEMD_CLIENT_FAULT_BELL_H

#include "common/checks.h"
#include "common/descriptor.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Both tables have both ends, under the same numbers, until bell_part(). */
struct bell_hook {
	int fd[2];		/* the bell hangs at [0]; [1] puts it there */
	struct descriptor_id id[2];
};

/* Room for one descriptor in a message. */
union bell_control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr aligned;
};

struct bell {
	struct bell_hook hook;	/* in the program's table; -1: closed */
	pid_t pid;		/* of the process that may fetch */
	/* Threads that use what follows; BELL_CHANGES: one changes it. */
	_Atomic uint32_t users;
	int fd;			/* in the program's table; -1: none */
	struct descriptor_id id;
	/* Of the session that it came with; 0: none. */
	_Atomic uint64_t generation;

	/* Its who changes it. */
	uint64_t fetched_for;	/* session; and how often (B4) */
	unsigned fetch_count;
	uint64_t hung;		/* what hangs on the hook (B7) */
	union bell_control control;
};

/* ---- under the lock of F1 in forks.h */

/* Make the hook.  `b` must be all zeros.  0, or -errno: then `b` is closed. */
int bell_init(struct bell *b) MUST_CHECK;

/* The library's thread has its table: the program's needs only [0]. */
void bell_part(struct bell *b);

/* Close the descriptors in the program's table that are still ours.  Nobody may
 * ring. */
void bell_fini(struct bell *b);

/* ---- any thread */

/* Wake the daemon of session `generation`.  Async-signal-safe; does not wait.
 * False: the daemon was not woken. */
bool bell_ring(struct bell *b, uint64_t generation) MUST_CHECK;

/* ---- the library's thread, in its own table */

/* True if both numbers are the hook. */
bool bell_is_hook(const struct bell_hook *hook);

/* Hang up the bell `fd` (borrowed), which came with session `generation`, in
 * place of the last one.  If that fails, nobody can ring. */
void bell_hang(const struct bell_hook *hook, int fd, uint64_t generation);

/* The session is over. */
void bell_take_down(const struct bell_hook *hook);

#endif
