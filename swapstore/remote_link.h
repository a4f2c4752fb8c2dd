/* SPDX-License-Identifier: MIT */
/* Drives the connection of a store_remote: makes it, opens the store on it,
 * notices when it is dead, and makes it again, for ever.  Its states are
 * remote_state.h's, its name and addresses remote_connect.c's, the first
 * messages remote_greeting.c's, what it waits for remote_wait.c's.  What is
 * asked and answered while it is UP is the owner's business. */
#ifndef MEMD_SWAPSTORE_REMOTE_LINK_H
#define MEMD_SWAPSTORE_REMOTE_LINK_H

#include "swapstore/remote_state.h"

struct remote_link_options {
	struct channel_context *tls;	/* borrowed */
	const char *command;
	uint32_t slot_count;
	uint64_t timeout_ns;
};

/* `address` is taken, on failure too.  Returns 0, -ENOMEM, or -errno of
 * epoll_create(2) and its like.  Does not connect. */
int remote_link_init(struct remote_link *link,
		     const struct remote_link_options *options,
		     struct remote_address *address,
		     const struct remote_link_ops *ops, void *ctx) MUST_CHECK;
void remote_link_fini(struct remote_link *link);

/* Look the name up and try all addresses once, waiting.  Returns 0, or -errno
 * with link->reason. */
int remote_link_connect(struct remote_link *link) MUST_CHECK;

/* Do all that can be done now. */
void remote_link_run(struct remote_link *link);

/* From now on connect with these (borrowed), at once if it waits to be tried
 * again.  A connection that is up ends if its server would be refused now. */
void remote_link_renew(struct remote_link *link, struct channel_context *tls);

/* Put messages in and send; part of remote_link_run(). */
void remote_link_transmit(struct remote_link *link);

/* Say goodbye, so that the server does not keep the store, and wait for its
 * answer, a second at most. */
void remote_link_say_goodbye(struct remote_link *link);

/* True while another message may be put into link->stream. */
bool remote_link_has_room(const struct remote_link *link);

/* A request went out, one was answered: somebody must be there while any is
 * not. */
void remote_link_asked(struct remote_link *link);
void remote_link_answered(struct remote_link *link);

#endif
