/* SPDX-License-Identifier: MIT */
/* Programs on other hosts, who come by TCP: who they are, and whose limits
 * count for them.  Not their messages: to conn.h they are connections as
 * others. */
#ifndef MEMD_NET_REMOTE_H
#define MEMD_NET_REMOTE_H

#include "common/checks.h"
#include "daemon/config/config.h"
#include "daemon/net/conn.h"
#include <stddef.h>
#include <sys/socket.h>

struct channel;

enum { REMOTE_REASON_BYTES = 512 };

/* From the address it came from.  Who it is, remote_identify() finds out. */
void remote_peer_init(struct peer *peer, const struct sockaddr *address,
		      socklen_t length);

/* After the handshake, at Hello: peer->name, and the user whose limits count.
 * Returns 0, -EAGAIN (the user is being looked up), or -EACCES with a line in
 * ret_reason. */
int remote_identify(const struct config *config, const struct channel *channel,
		    struct peer *peer, char *ret_reason, size_t reason_size)
	MUST_CHECK;

/* Why this one may not administrate, and what to do, in one line. */
void remote_explain_no_admin(const struct peer *peer, char *ret_text,
			     size_t text_size);

/* Count and log a refusal; of many a second not every one has a line. */
void remote_refused(struct conns *all, const struct peer *peer,
		    const char *reason);

#endif
