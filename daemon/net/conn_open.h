/* SPDX-License-Identifier: MIT */
/* From a connected socket to a connection that is read. */
#ifndef MEMD_NET_CONN_OPEN_H
#define MEMD_NET_CONN_OPEN_H

#include "daemon/net/conn.h"

/* Take `fd`, a connected socket; closed on failure too.  Starts reading. */
int conn_create(struct conns *all, int fd) MUST_CHECK;

/* The same for one that came by TCP, from `peer`; `context` NULL: without
 * TLS. */
int conn_create_remote(struct conns *all, int fd,
		       struct channel_context *context,
		       const struct peer *peer) MUST_CHECK;

#endif
