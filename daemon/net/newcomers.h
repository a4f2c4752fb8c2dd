/* SPDX-License-Identifier: MIT */
/* Connections are accepted here: one at a time, as many as there are
 * descriptors for, and TLS newcomers with pauses. */
#ifndef MEMD_NET_NEWCOMERS_H
#define MEMD_NET_NEWCOMERS_H

#include "daemon/net/server.h"

/* Callbacks of events.  Of a listener's; arg: the struct listener. */
void newcomers_on_readable(evutil_socket_t fd, short what, void *arg);

/* Of server->resume and server->rest; arg: the struct server. */
void newcomers_on_resume(evutil_socket_t fd, short what, void *arg);
void newcomers_on_rested(evutil_socket_t fd, short what, void *arg);

#endif
