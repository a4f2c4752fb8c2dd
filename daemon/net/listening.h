/* SPDX-License-Identifier: MIT */
/* The listening sockets of the server, and their certificates. */
#ifndef MEMD_NET_LISTENING_H
#define MEMD_NET_LISTENING_H

#include "daemon/net/server.h"

/* Listen on the sockets that systemd passed, else on the configured one.
 * Returns 0, or -errno with a line in ret_reason. */
int server_listen(struct server *server, char *ret_reason, size_t reason_size)
	MUST_CHECK;

/* Also listen on the TCP socket `fd`.  Takes `fd`, also on failure.  Returns 0
 * or -errno. */
int server_add_tcp_listener(struct server *server, int fd) MUST_CHECK;

/* Read the certificates that another configuration names for the listening
 * sockets.  *ret_tls is NULL if it names none; else the caller owns it.
 * Returns 0, or -errno with a line in ret_reason. */
int server_load_tls(const struct server *server, const struct config *config,
		    struct channel_context **ret_tls, char *ret_reason,
		    size_t reason_size) MUST_CHECK;

/* Use `tls` for new connections from other hosts.  Takes `tls`. */
void server_use_tls(struct server *server, struct channel_context *tls);

/* Stop accepting connections and remove our socket file.  May be called
 * again. */
void server_stop_listening(struct server *server);

#endif
