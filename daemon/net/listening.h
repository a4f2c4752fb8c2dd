/* SPDX-License-Identifier: MIT */
/* Where memd listens, and with which certificates. */
#ifndef MEMD_NET_LISTENING_H
#define MEMD_NET_LISTENING_H

#include "daemon/net/server.h"

/* Listen: on the sockets systemd passed, else on the one of the
 * configuration.  On failure -errno and a line in ret_reason. */
int server_listen(struct server *server, char *ret_reason, size_t reason_size)
	MUST_CHECK;

/* Listen there for other hosts, too.  Takes fd.  Returns 0 or -errno. */
int server_add_tcp_listener(struct server *server, int fd) MUST_CHECK;

/* Read the certificates that the listening sockets are to have with another
 * configuration; *ret_tls NULL: none.  Returns 0, or -errno with a line in
 * ret_reason. */
int server_load_tls(const struct server *server, const struct config *config,
		    struct channel_context **ret_tls, char *ret_reason,
		    size_t reason_size) MUST_CHECK;

/* Take `tls`: from now on newcomers from other hosts see these. */
void server_use_tls(struct server *server, struct channel_context *tls);

/* No more newcomers; our socket is removed.  May be called again. */
void server_stop_listening(struct server *server);

#endif
