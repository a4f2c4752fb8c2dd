/* SPDX-License-Identifier: MIT */
/* A blocking connection to memd with a deadline on every call: one question,
 * one answer.  Not libmemclient's connection, which serves faults and maps
 * memory; this one only asks. */
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

/* What can be asked, each with the type of its answer. */
enum connection_question {
	ASK_STATUS, ASK_SESSIONS, ASK_SEGMENTS, ASK_MAPS, ASK_COUNTERS,
	ASK_FAULT_STATS, ASK_TRACE, ASK_EVICT, ASK_LIMIT_SET, ASK_LIMITS,
	ASK_CONFIG, ASK_REPLAY, ASK_STORES, ASK_DISCONNECT, ASK_UNLINK,
	ASK_STORE_DROP,
	ASK_QUESTIONS
};

/* Connect and say Hello.
 *
 * address     "/path", "unix:/path", "@name" or "unix:@name" (abstract), or
 *             "tcp://HOST:PORT?NAME=VALUE&..." (tcp.h).
 *             NULL: $MEMCLIENT_ADDRESS, else CONNECTION_ADDRESS_DEFAULT.
 * timeout_ms  for this and each later call as a whole; 0: for ever.
 *
 * Returns 0, or -errno with the reason in *ret_failure. */
int connection_open(const char *address, uint32_t timeout_ms,
		    struct connection **ret_c, struct failure *ret_failure)
	MUST_CHECK;

/* NULL is allowed. */
void connection_close(struct connection *c);

/* The address that connection_open() takes for `address`. */
const char *connection_address(const char *address);

/* The same for people: without the settings that it may end with. */
void connection_show_address(const char *address,
			     char ret_shown[CONNECTION_SHOWN_BYTES]);

/* What the server calls itself: printable, never NULL. */
const char *connection_server(const struct connection *c);

/* For poll(): readable when a message has begun to arrive that
 * connection_has_input() does not tell of: what TLS holds already. */
int connection_fd(const struct connection *c);
bool connection_has_input(const struct connection *c);

/* Ask and wait for the answer; messages that are no answer are dropped.
 * *ret_reply is NULL where the answer has no body, else to be freed with
 * protobuf_c_message_free_unpacked().  Returns 0, or -errno with the reason
 * in *ret_failure; the connection is then good for nothing but closing,
 * unless the failure is a FAILURE_ANSWER. */
int connection_ask(struct connection *c, enum connection_question question,
		   const ProtobufCMessage *request,
		   ProtobufCMessage **ret_reply, struct failure *ret_failure)
	MUST_CHECK;

/* Read one message that memd sends by itself.  *ret_events is NULL when it
 * was something else than TraceEvents.  Errors as connection_ask(). */
int connection_receive_trace(struct connection *c,
			     Memd__TraceEvents **ret_events,
			     struct failure *ret_failure) MUST_CHECK;

#endif
