/* SPDX-License-Identifier: MIT */
/* What a link waits for.  One epoll descriptor watches the socket, a timer, a
 * name lookup, and an eventfd that is readable while the owner wants it. */
#ifndef MEMD_SWAPSTORE_REMOTE_WAIT_H
#define MEMD_SWAPSTORE_REMOTE_WAIT_H

#include "swapstore/remote_state.h"

/* Make the descriptors, which must be -1 before.  Returns 0 or -errno;
 * remote_wait_fini() accepts what a failure has left. */
int remote_wait_init(struct remote_link *link) MUST_CHECK;
void remote_wait_fini(struct remote_link *link);

/* Watch another descriptor until it is closed or forgotten.  0 or -errno. */
int remote_wait_watch(struct remote_link *link, int fd, uint32_t events)
	MUST_CHECK;
void remote_wait_forget(struct remote_link *link, int fd);

/* Set what the epoll descriptor waits for; call this last.  is_ready: make it
 * readable, for a reason of the owner. */
void remote_wait_settle(struct remote_link *link, bool is_ready);

/* Sleep until there is something to do, or until the time. */
void remote_wait_until(const struct remote_link *link, uint64_t until_ns);

#endif
