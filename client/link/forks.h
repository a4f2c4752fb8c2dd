/* SPDX-License-Identifier: MIT */
/* The child of a fork() gets nothing of the library that acts on its parent.
 * A userfaultfd belongs to the memory of the process that opened it, and a lane
 * to its session, so a child that had them could write into its parent.
 *
 * F1  Our descriptors in the program's table, and the list of connections,
 *     change under one lock, which a fork takes too; it is held for a few
 *     system calls, with all signals blocked.
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
#include <stdbool.h>

struct memclient;

/* To be called first by every public call that needs it: in a child, drop what
 * is the parent's.  0, or -ENOMEM: forks cannot be watched. */
int forks_enter(void) MUST_CHECK;

/* Has this process been forked since forks_enter()?  Async-signal-safe. */
bool forks_is_child(void);

/* F1. */
void forks_lock(sigset_t *ret_mask);
void forks_unlock(const sigset_t *mask);

/* A connection has descriptors / has none any more.  Under the lock. */
void forks_add(struct memclient *mc);
void forks_remove(struct memclient *mc);

/* Around making a lane, F2.  False: not now.  Async-signal-safe. */
bool forks_begin_dial(void);
void forks_end_dial(void);

#endif
