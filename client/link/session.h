/* SPDX-License-Identifier: MIT */
/* Sessions, on the library's thread: what happens when the link comes up,
 * breaks, and comes up again, and who gets which message.  Part of the
 * handler. */
#ifndef MEMD_CLIENT_LINK_SESSION_H
#define MEMD_CLIENT_LINK_SESSION_H

#include "client/client.h"

/* The first connection.  Blocks for the handshake. */
int session_open(struct memclient *mc) MUST_CHECK;

/* Hand out what was received. */
void session_dispatch(struct memclient *mc);

/* Notice that the link broke, connect again when it is time, attach again
 * what can be. */
void session_run(struct memclient *mc);

/* Somebody needs the daemon: do not wait for the next try. */
void session_try_now(struct memclient *mc);

/* For so long nobody could do anything: an outage is that much younger. */
void session_postpone(struct memclient *mc, uint64_t lost_ns);

/* When session_run() must be called again, UINT64_MAX if never. */
uint64_t session_next_ns(const struct memclient *mc);

/* Take the answers that are in the mailbox.  Returns whether there were any. */
bool session_take_mail(struct memclient *mc);

#endif
