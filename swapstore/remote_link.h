/* SPDX-License-Identifier: MIT */
/* The connection of a store_remote.  The link makes it, opens the store on it,
 * notices when it is dead, and makes it again, for ever.  Its states are in
 * remote_state.h, name and addresses in remote_connect.c, the first messages in
 * remote_greeting.c, and its descriptors in remote_wait.c.  The owner exchanges
 * messages on it while it is UP. */
#ifndef MEMD_SWAPSTORE_REMOTE_LINK_H
#define MEMD_SWAPSTORE_REMOTE_LINK_H

#include "swapstore/remote_state.h"

struct remote_link_options {
	struct channel_context *tls;	/* borrowed */
	const char *command;
	uint32_t slot_count;
	uint64_t timeout_ns;
};

/* `address` is taken, also on failure.  Returns 0, -ENOMEM, or -errno of
 * epoll_create(2) and the like.  Does not connect. */
int remote_link_init(struct remote_link *link,
		     const struct remote_link_options *options,
		     struct remote_address *address,
		     const struct remote_link_ops *ops, void *ctx) MUST_CHECK;
void remote_link_fini(struct remote_link *link);

/* Look the name up and try all addresses once.  Blocks until the link is UP or
 * DOWN, at most timeout_ns.  Returns 0, or -errno with link->reason. */
int remote_link_connect(struct remote_link *link) MUST_CHECK;

/* Do all that can be done now. */
void remote_link_run(struct remote_link *link);

/* Use `tls` (borrowed) for connections from now on, and try at once if the link
 * is DOWN.  A connection that is up ends if its server would be refused now. */
void remote_link_renew(struct remote_link *link, struct channel_context *tls);

/* Let the owner put in messages, and send them.  remote_link_run() does this,
 * too. */
void remote_link_transmit(struct remote_link *link);

/* Tell the server that it need not keep the store.  Blocks until it answers, at
 * most a second. */
void remote_link_say_goodbye(struct remote_link *link);

/* True if another message may be put into link->stream. */
bool remote_link_has_room(const struct remote_link *link);

/* Count requests sent and answered: while any is unanswered, the server must
 * not be silent for too long. */
void remote_link_asked(struct remote_link *link);
void remote_link_answered(struct remote_link *link);

#endif
