/* SPDX-License-Identifier: MIT */
/* What a connection sends.  Messages are queued here and go to the socket or
 * channel at the end of the event callback.  output.h keeps the bytes. */
#ifndef MEMD_NET_CONN_OUTPUT_H
#define MEMD_NET_CONN_OUTPUT_H

#include "daemon/net/conn.h"

/* Queue a message.  If that fails, the connection is closed and the message is
 * dropped; the caller need not care.  May be called from inside pager
 * callbacks. */
void conn_send(struct conn *c, uint16_t type, uint64_t request_id,
	       const ProtobufCMessage *message);

/* True while so few descriptors have not been received that more may be sent
 * which nobody has asked for. */
bool conn_takes_fds(const struct conn *c);

/* The same with descriptors, at most OUTPUT_FDS_TOGETHER.  They are
 * duplicated. */
void conn_send_fds(struct conn *c, uint16_t type, uint64_t request_id,
		   const ProtobufCMessage *message, const int *fds,
		   unsigned count);

/* Queue a reply without body that says "success". */
void conn_send_ok(struct conn *c, uint64_t request_id);

/* Queue or send a message without body and with a payload.  `payload` is not
 * used after the return.  Do not call from inside pager callbacks: it may write
 * to the socket. */
void conn_send_payload(struct conn *c, uint16_t type, uint64_t request_id,
		       const void *payload, uint32_t payload_bytes);

/* Queue an error reply.  `error` is -errno. */
void conn_send_error(struct conn *c, uint64_t request_id, int error,
		     const char *format, ...) PRINTF_LIKE(4, 5);

/* The client broke the protocol: send it an error and close the connection. */
void conn_refuse(struct conn *c, uint64_t request_id, int error,
		 const char *format, ...) PRINTF_LIKE(4, 5);

/* Whether so much output waits that messages which nobody waits for should not
 * be queued. */
bool conn_is_clogged(const struct conn *c);

/* Have conn_flush() called for `c` at the end of this callback. */
void conn_mark_dirty(struct conn *c);

/* Send what is queued, as far as the socket takes it. */
void conn_flush(struct conn *c);

#endif
