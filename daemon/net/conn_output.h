/* SPDX-License-Identifier: MIT */
/* What a connection sends: messages are queued here, and go to the socket or
 * channel at the end of the callback.  How bytes wait is output.h's. */
#ifndef MEMD_NET_CONN_OUTPUT_H
#define MEMD_NET_CONN_OUTPUT_H

#include "daemon/net/conn.h"

/* Queue a message.  Never fails towards the caller: a connection that cannot
 * take it is closed. */
void conn_send(struct conn *c, uint16_t type, uint64_t request_id,
	       const ProtobufCMessage *message);

/* The same with a descriptor, which is duplicated. */
void conn_send_fd(struct conn *c, uint16_t type, uint64_t request_id,
		  const ProtobufCMessage *message, int fd);

void conn_send_ok(struct conn *c, uint64_t request_id);

/* The same for a message without body and with a payload, of which nothing is
 * needed after the return.  Not from inside pager calls. */
void conn_send_payload(struct conn *c, uint16_t type, uint64_t request_id,
		       const void *payload, uint32_t payload_bytes);

/* `error` is -errno. */
void conn_send_error(struct conn *c, uint64_t request_id, int error,
		     const char *format, ...) PRINTF_LIKE(4, 5);

/* Say so to the client and close: it broke the protocol. */
void conn_refuse(struct conn *c, uint64_t request_id, int error,
		 const char *format, ...) PRINTF_LIKE(4, 5);

/* Whether extra messages that nobody waits for should not be queued now. */
bool conn_is_clogged(const struct conn *c);

/* There is something to be sent, in this turn. */
void conn_mark_dirty(struct conn *c);

/* Send what is queued, as far as the socket takes it. */
void conn_flush(struct conn *c);

#endif
