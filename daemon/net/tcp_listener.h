/* SPDX-License-Identifier: MIT */
/* Listening for other hosts, and the certificates to show them.  Without
 * certificates only loopback addresses are listened on, unless insecure_tcp
 * says that it may be others. */
#ifndef MEMD_NET_TCP_LISTENER_H
#define MEMD_NET_TCP_LISTENER_H

#include "common/checks.h"
#include "daemon/config/config.h"

struct addrinfo;
struct channel_context;
struct remote_lookup;

enum { TCP_LISTENERS_MAX = 4 };

/* Is there a name in listen_tcp that must be looked up? */
bool tcp_listener_has_name(const struct config *config);

/* Look it up.  Returns 0, or -errno as remote_lookup_start(). */
int tcp_listener_look_up(const struct config *config,
			 struct remote_lookup **ret_lookup) MUST_CHECK;

/* Listen on every address that listen_tcp means.  all: what its name means;
 * NULL: it has none.  Returns how many sockets, or -errno with a line in
 * ret_reason; then none is left open. -EADDRNOTAVAIL, -ENODEV: this host has
 * no such address now. */
int tcp_listener_open(const struct config *config, const struct addrinfo *all,
		      int ret_fds[TCP_LISTENERS_MAX], char *ret_reason,
		      size_t reason_size) MUST_CHECK;

/* Read the certificates.  *ret_context is NULL when the settings name none.
 * Returns 0, or -errno with a line in ret_reason. */
int tcp_listener_load_tls(const struct config *config,
			  struct channel_context **ret_context,
			  char *ret_reason, size_t reason_size) MUST_CHECK;

/* May this configuration listen where it says without certificates? */
bool tcp_listener_is_loopback(int fd);

/* "address=127.0.0.1 port=7001" of a bound socket, for the log. */
void tcp_listener_describe(int fd, char *ret_text, size_t text_size);

/* "tcp://127.0.0.1:7001", "tcp://[::1]:7001" of a bound socket. */
void tcp_listener_show(int fd, char *ret_text, size_t text_size);

#endif
