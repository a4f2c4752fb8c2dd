/* SPDX-License-Identifier: MIT */
/* The child of a fork() gets nothing of the library that acts on its parent.
 * A userfaultfd belongs to the memory of the process that opened it, and a lane
 * to its session, so a child that had them could write into its parent.
 *
 * F1  Our descriptors in the program's table, and the list of what a child
 *     drops, change under one lock, which a fork takes too; it is held for a
 *     few system calls, with all signals blocked.
 * F2  Lanes are made in a SIGBUS handler, which takes no lock: a fork waits
 *     until none is being made, and while it runs none is begun.
 * F3  So the child knows all there is.  It closes that, forgets the
 *     connections, and begins with a lock that nobody holds.
 * F4  clone(2) and _Fork() run no handlers of ours, so their child has not done
 *     what F3 says.  It learns that it is a child from a page that the kernel
 *     wipes there (MADV_WIPEONFORK), and does it in its first call of the
 *     library.  It may miss a descriptor that another thread was just making:
 *     the clone did not wait for that (F1, F2).
 * F5  The child of a vfork(), or of posix_spawn(), has the memory of its
 *     parent and nothing is wiped: it may touch regions. */
#ifndef MEMD_CLIENT_LINK_FORKS_H
#define MEMD_CLIENT_LINK_FORKS_H

#include "common/checks.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

/* What a child of a fork may not have of its parent's.  Whoever owns it knows
 * how to drop it. */
struct forks_entry {
	void (*drop)(void *ctx);	/* in the child, F3 */
	void *ctx;
	struct forks_entry *next;
	_Atomic bool is_dropped;	/* this process is the child */
};

/* To be called first by every public call that needs it: in a child, drop what
 * is the parent's.  0, or -ENOMEM: forks cannot be watched. */
int forks_enter(void) MUST_CHECK;

/* Is it a parent's, and this process a child that must not use it?
 * Async-signal-safe. */
bool forks_is_parents(const struct forks_entry *e);

/* F1. */
void forks_lock(sigset_t *ret_mask);
void forks_unlock(const sigset_t *mask);

/* There is something to drop / is nothing any more.  Under the lock.  What was
 * dropped is off the list. */
void forks_add(struct forks_entry *e);
void forks_remove(struct forks_entry *e);

/* Around making a lane, F2.  False: not now.  Async-signal-safe. */
bool forks_begin_dial(void);
void forks_end_dial(void);

#endif
