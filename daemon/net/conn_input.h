/* SPDX-License-Identifier: MIT */
/* What a connection receives: bytes in, messages to dispatch, payloads to where
 * their handlers want them; and, before, the handshake of TLS.  Who may say
 * what is dispatch.h's. */
#ifndef MEMD_NET_CONN_INPUT_H
#define MEMD_NET_CONN_INPUT_H

#include "daemon/net/conn.h"

/* The socket is readable, or may be: take what is there, or a bounded piece of
 * it, after which there will be another event.  Not DEAD. */
void conn_receive(struct conn *c);

/* For a handler of a message with a payload: have it put into `to`, which has
 * room for all of it, and be called then.  The connection may be DEAD before,
 * and the payload is never whole. */
void conn_take_payload(struct conn *c, void *to, conn_payload_done *done);

/* Read nothing more until conn_release().  What is said meanwhile waits with
 * the other host; memory here does not grow. */
void conn_hold(struct conn *c);
/* Not from inside pager calls. */
void conn_release(struct conn *c);

/* The connection's message cannot be dealt with now: it is taken again, from
 * its first byte, in a moment.  For a handler of a NEW connection. */
void conn_repeat(struct conn *c);

/* Once, before the first.  0 or -EINVAL. */
int conns_watch(struct conns *all) MUST_CHECK;

#endif
