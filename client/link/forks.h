/* SPDX-License-Identifier: MIT */
/* Keeps the child of a fork() from acting on its parent.  A userfaultfd belongs
 * to the memory of the process that opened it, and a bell to its session.  A
 * child that had them could write into its parent, and wake its parent's
 * daemon.
 *
 * F1  One lock protects the library's descriptors in the program's table, and
 *     the list of what a child drops.  A fork takes the lock too.  It is held
 *     for a few system calls, with all signals blocked.
 * F2  Bells are fetched in a SIGBUS handler, which takes no lock.  So a fork
 *     waits until no bell is being fetched, and none is fetched during a fork.
 * F3  So the child knows all there is.  It closes the descriptors, forgets the
 *     connections, and begins with a free lock.
 * F4  clone(2) and _Fork() run no fork handlers, so their child has not done
 *     what F3 says.  A page that the kernel wipes in a child (MADV_WIPEONFORK)
 *     tells it that it is a child.  It then does what F3 says, in its first
 *     call of the library.  It may miss a descriptor that another thread was
 *     just making, because clone does not wait for that (F1, F2).
 * F5  The child of a vfork() or posix_spawn() has the memory of its parent, and
 *     nothing is wiped: it may touch regions. */
#ifndef MEMD_CLIENT_LINK_FORKS_H
#define MEMD_CLIENT_LINK_FORKS_H

#include "common/checks.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Something of the parent that a child must drop.  The owner of the entry
 * provides drop(). */
struct forks_entry {
	void (*drop)(void *ctx);	/* called in the child, F3 */
	void *ctx;
	struct forks_entry *next;
	_Atomic bool is_dropped;	/* this process is the child */
};

/* Every public call that needs it calls this first.  In a child it drops what
 * is the parent's.  0, or -ENOMEM: forks cannot be watched. */
int forks_enter(void) MUST_CHECK;

/* True if the entry is the parent's, and this process is a child that must not
 * use it.  Async-signal-safe. */
bool forks_is_parents(const struct forks_entry *e);

/* The lock of F1.  Blocks all signals. */
void forks_lock(sigset_t *ret_mask);
void forks_unlock(const sigset_t *mask);

/* Add or remove an entry of the list of F1, under the lock.  Dropped entries
 * are not on the list any more. */
void forks_add(struct forks_entry *e);
void forks_remove(struct forks_entry *e);

/* Call these around what gets a descriptor (F2).  False: a fork is under way,
 * do not get one now.  Async-signal-safe. */
bool forks_begin_fetch(void);
void forks_end_fetch(void);

#endif
