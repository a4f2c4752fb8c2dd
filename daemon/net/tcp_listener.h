/* SPDX-License-Identifier: MIT */
/* Makes the listening TCP sockets for other hosts, and reads their
 * certificates.  Without certificates memd listens only on loopback addresses,
 * unless insecure_tcp allows others. */
#ifndef MEMD_NET_TCP_LISTENER_H
#define MEMD_NET_TCP_LISTENER_H

#include "common/checks.h"
#include "daemon/config/config.h"

struct addrinfo;
struct channel_context;
struct remote_lookup;

enum { TCP_LISTENERS_MAX = 4 };

/* Whether listen_tcp contains a host name that must be looked up. */
bool tcp_listener_has_name(const struct config *config);

/* Start the look-up.  Returns 0, or -errno as remote_lookup_start().  The
 * caller destroys *ret_lookup. */
int tcp_listener_look_up(const struct config *config,
			 struct remote_lookup **ret_lookup) MUST_CHECK;

/* Listen on every address of listen_tcp.  `all` are the addresses of its host
 * name; NULL: it has no host name.  Returns the number of sockets, or -errno
 * with a line in ret_reason; then no socket is left open.  -EADDRNOTAVAIL,
 * -ENODEV: this host does not have such an address now. */
int tcp_listener_open(const struct config *config, const struct addrinfo *all,
		      int ret_fds[TCP_LISTENERS_MAX], char *ret_reason,
		      size_t reason_size) MUST_CHECK;

/* Read the certificates.  *ret_context is NULL when the settings name none.
 * Returns 0, or -errno with a line in ret_reason. */
int tcp_listener_load_tls(const struct config *config,
			  struct channel_context **ret_context,
			  char *ret_reason, size_t reason_size) MUST_CHECK;

/* Whether the socket `fd` is bound to a loopback address. */
bool tcp_listener_is_loopback(int fd);

/* Write "address=127.0.0.1 port=7001" of a bound socket, for the log. */
void tcp_listener_describe(int fd, char *ret_text, size_t text_size);

/* Write "tcp://127.0.0.1:7001" or "tcp://[::1]:7001" of a bound socket. */
void tcp_listener_show(int fd, char *ret_text, size_t text_size);

#endif
