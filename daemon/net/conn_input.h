/* SPDX-License-Identifier: MIT */
/* What a connection receives: messages are passed to dispatch, payloads go to
 * the memory that the handlers name.  Also the TLS handshake.  dispatch.h
 * decides which connection may send which message. */
#ifndef MEMD_NET_CONN_INPUT_H
#define MEMD_NET_CONN_INPUT_H

#include "daemon/net/conn.h"

/* Receive from a socket that is or may be readable, and handle the messages.
 * Reads a bounded amount; if more is there, another event follows.  `c` is not
 * DEAD before; it may be DEAD afterwards. */
void conn_receive(struct conn *c);

/* For the handler of a message with a payload: receive the payload into `to`,
 * and call `done` when all of it is there.  `to` has room for the whole
 * payload.  `done` is not called if the connection is closed first. */
void conn_take_payload(struct conn *c, void *to, conn_payload_done *done);

/* Stop reading until conn_release().  The peer's further messages stay in the
 * socket and with the peer, so memory use here does not grow. */
void conn_hold(struct conn *c);
/* Read again, and handle the messages that were received before conn_hold().
 * Handlers run inside this call, so do not call it from pager callbacks. */
void conn_release(struct conn *c);

/* For a handler on a NEW connection that cannot handle its message yet: hold
 * the connection, and pass the same message to the handler again some
 * milliseconds later. */
void conn_repeat(struct conn *c);

/* Set up the events for repeated messages and for line.h.  Call once, before
 * the first connection.  Returns 0 or -EINVAL. */
int conns_watch(struct conns *all) MUST_CHECK;

#endif
