/* SPDX-License-Identifier: MIT */
/* Makes a connection from a connected socket and starts reading from it. */
#ifndef MEMD_NET_CONN_OPEN_H
#define MEMD_NET_CONN_OPEN_H

#include "daemon/net/conn.h"

/* For a program on this host.  Takes `fd`, a connected Unix socket, also on
 * failure.  Returns 0 or -errno. */
int conn_create(struct conns *all, int fd) MUST_CHECK;

/* The same for a TCP socket; `peer` is the other end.  `context` NULL: without
 * TLS. */
int conn_create_remote(struct conns *all, int fd,
		       struct channel_context *context,
		       const struct peer *peer) MUST_CHECK;

#endif
