/* SPDX-License-Identifier: MIT */
/* Memory that a client can take away while the daemon uses it: a page that is
 * punched out of a shared file comes back at the next touch, but where the
 * kernel has no page to give, the touch is a SIGBUS.  That must end the
 * client's session, not the daemon: the range is covered with spare memory, is
 * marked as lost, and the touch is done again.
 *
 * One guard for the process, as there is one SIGBUS.  Threads: the loop's. */
#ifndef MEMD_SYSTEM_GUARD_H
#define MEMD_SYSTEM_GUARD_H

#include "common/checks.h"
#include <signal.h>
#include <stddef.h>
#include <sys/queue.h>

/* A mapping that begins and ends with a page. */
struct guarded {
	void *start;
	size_t length;
	volatile sig_atomic_t is_lost;	/* what is read there is nonsense */
	LIST_ENTRY(guarded) link;
};

/* Catch SIGBUS, with spare memory for ranges of at most `length` bytes.
 * Returns 0 or -errno. */
int guard_init(size_t length) MUST_CHECK;
void guard_fini(void);

void guard_add(struct guarded *g, void *start, size_t length);
void guard_remove(struct guarded *g);

#endif
