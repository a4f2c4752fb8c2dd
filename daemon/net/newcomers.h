/* SPDX-License-Identifier: MIT */
/* Accepts connections: one at a time, only while descriptors are left, and with
 * a pause after each TLS connection. */
#ifndef MEMD_NET_NEWCOMERS_H
#define MEMD_NET_NEWCOMERS_H

#include "daemon/net/server.h"

/* Callback of a listening socket's event.  arg: the struct listener. */
void newcomers_on_readable(evutil_socket_t fd, short what, void *arg);

/* Callbacks of server->resume and server->rest.  arg: the struct server. */
void newcomers_on_resume(evutil_socket_t fd, short what, void *arg);
void newcomers_on_rested(evutil_socket_t fd, short what, void *arg);

#endif
