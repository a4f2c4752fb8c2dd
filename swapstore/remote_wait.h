/* SPDX-License-Identifier: MIT */
/* What a link waits for: one epoll descriptor, of its socket, of a timer, of a
 * name being looked up, and of an eventfd that is readable while the owner says
 * so. */
#ifndef MEMD_SWAPSTORE_REMOTE_WAIT_H
#define MEMD_SWAPSTORE_REMOTE_WAIT_H

#include "swapstore/remote_state.h"

/* The descriptors; they are -1 before.  Returns 0 or -errno; _fini accepts
 * what _init has left. */
int remote_wait_init(struct remote_link *link) MUST_CHECK;
void remote_wait_fini(struct remote_link *link);

/* One more, until it is closed or forgotten.  0 or -errno. */
int remote_wait_watch(struct remote_link *link, int fd, uint32_t events)
	MUST_CHECK;
void remote_wait_forget(struct remote_link *link, int fd);

/* Make the descriptor tell what there is to wait for; last of all.  is_ready:
 * it is to be readable for the owner's own reasons. */
void remote_wait_settle(struct remote_link *link, bool is_ready);

/* Sleep until there is something to do, or until the time. */
void remote_wait_until(const struct remote_link *link, uint64_t until_ns);

#endif
