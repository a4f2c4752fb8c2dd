/* SPDX-License-Identifier: MIT */
/* A blocking connection to memd, with a deadline for every call: one question,
 * one answer.  It is not libmemclient's connection, which serves faults and
 * maps memory. */
#ifndef MEMD_MEMCTL_CONNECTION_H
#define MEMD_MEMCTL_CONNECTION_H

#include "client/memctl/failure.h"
#include "common/checks.h"
#include "proto/wire.h"
#include <stdbool.h>
#include <stdint.h>

#define CONNECTION_ADDRESS_DEFAULT "/run/memd/memd.sock"

enum { CONNECTION_SHOWN_BYTES = 320 };

struct connection;

/* The questions.  Each has its own type of answer. */
enum connection_question {
	ASK_STATUS, ASK_SESSIONS, ASK_SEGMENTS, ASK_MAPS, ASK_COUNTERS,
	ASK_FAULT_STATS, ASK_TRACE, ASK_EVICT, ASK_LIMIT_SET, ASK_LIMITS,
	ASK_CONFIG, ASK_REPLAY, ASK_GUESTS, ASK_DISCONNECT, ASK_UNLINK,
	ASK_GUEST_DROP,
	ASK_QUESTIONS
};

/* Connect and say Hello.
 *
 * address     "/path", "unix:/path", "@name" or "unix:@name" (abstract), or
 *             "tcp://HOST:PORT?NAME=VALUE&..."  (tcp.h).  NULL:
 *             $MEMCLIENT_ADDRESS, or CONNECTION_ADDRESS_DEFAULT.
 * timeout_ms  for this call as a whole, and for each later call; 0: no limit.
 *
 * Returns 0, or -errno with the reason in *ret_failure. */
int connection_open(const char *address, uint32_t timeout_ms,
		    struct connection **ret_c, struct failure *ret_failure)
	MUST_CHECK;

/* NULL is allowed. */
void connection_close(struct connection *c);

/* The address that connection_open() uses for `address`. */
const char *connection_address(const char *address);

/* The same address for messages: without its settings. */
void connection_show_address(const char *address,
			     char ret_shown[CONNECTION_SHOWN_BYTES]);

/* The server's name for itself: printable, never NULL. */
const char *connection_server(const struct connection *c);

/* For poll().  The descriptor is readable when a message begins to arrive.
 * connection_has_input() is true for bytes that TLS holds already, of which the
 * descriptor does not tell. */
int connection_fd(const struct connection *c);
bool connection_has_input(const struct connection *c);

/* Ask, and wait for the answer.  Other messages are dropped.  *ret_reply is
 * NULL if the answer has no body; otherwise the caller frees it with
 * protobuf_c_message_free_unpacked().  Returns 0, or -errno with the reason in
 * *ret_failure.  The connection can then only be closed, unless the failure is
 * a FAILURE_ANSWER. */
int connection_ask(struct connection *c, enum connection_question question,
		   const ProtobufCMessage *request,
		   ProtobufCMessage **ret_reply, struct failure *ret_failure)
	MUST_CHECK;

/* Read one message that memd sends unasked.  *ret_events is NULL if it was no
 * TraceEvents.  Errors as connection_ask(). */
int connection_receive_trace(struct connection *c,
			     Memd__TraceEvents **ret_events,
			     struct failure *ret_failure) MUST_CHECK;

#endif
