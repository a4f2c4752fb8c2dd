/* SPDX-License-Identifier: MIT */
/* Programs on other hosts, which connect by TCP: who they are, and which user's
 * limits they use.  Their messages are handled as those of any connection
 * (conn.h). */
#ifndef MEMD_NET_REMOTE_H
#define MEMD_NET_REMOTE_H

#include "common/checks.h"
#include "daemon/config/config.h"
#include "daemon/net/conn.h"
#include <stddef.h>
#include <sys/socket.h>

struct channel;

enum { REMOTE_REASON_BYTES = 512 };

/* Fill in what the address tells.  remote_identify() adds the rest. */
void remote_peer_init(struct peer *peer, const struct sockaddr *address,
		      socklen_t length);

/* Find peer->name, and the user whose limits the peer uses.  Call at Hello,
 * after the handshake.  Returns 0, -EAGAIN (the user is still being looked up),
 * or -EACCES, both with a line in ret_reason. */
int remote_identify(const struct config *config, const struct channel *channel,
		    struct peer *peer, char *ret_reason, size_t reason_size)
	MUST_CHECK;

/* Write one line that says why `peer` is no administrator, and what to do. */
void remote_explain_no_admin(const struct peer *peer, char *ret_text,
			     size_t text_size);

/* Count and log a refusal.  If there are many in a short time, one line stands
 * for several. */
void remote_refused(struct conns *all, const struct peer *peer,
		    const char *reason);

#endif
