/* SPDX-License-Identifier: MIT */
/* Messages of memd.proto over a channel, without blocking.  Messages to send
 * are gathered in a buffer.  Received bytes are cut into messages, and payload
 * goes where its receiver wants it.  This file does not know what messages
 * mean. */
#ifndef MEMD_SWAPSTORE_REMOTE_STREAM_H
#define MEMD_SWAPSTORE_REMOTE_STREAM_H

#include "common/checks.h"
#include "proto/channel.h"
#include "proto/wire.h"

enum {
	/* Put messages in only while less than this is pending, so that an
	 * urgent message does not wait long behind others. */
	REMOTE_STREAM_OUT_LOW = 64 * 1024,
	/* No message is longer than this. */
	REMOTE_STREAM_MESSAGE_MAX = 160 * 1024,
};

struct remote_stream {
	struct channel channel;
	bool is_open;
	bool waits_to_write;		/* the last send could not finish */
	uint8_t *in, *out;		/* owned */
	size_t in_head, in_tail, out_head, out_tail;
	/* Of the message whose payload is coming in. */
	struct wire_header header;
	uint8_t *payload_to;		/* where that goes; borrowed */
	size_t payload_left;
	/* Of all connections together. */
	uint64_t sent_bytes, received_bytes;
};

/* Receives messages.  Both functions return 0, or -errno, which ends the
 * stream. */
struct remote_receiver {
	/* A header with its body.  If the header announces payload, set
	 * *ret_payload_to to memory for all of it. */
	int (*message)(void *ctx, const struct wire_header *h,
		       const uint8_t *body, uint8_t **ret_payload_to);
	/* The payload of the last message is complete. */
	int (*payload)(void *ctx, const struct wire_header *h);
};

/* Returns 0 or -ENOMEM. */
int remote_stream_init(struct remote_stream *s) MUST_CHECK;
void remote_stream_fini(struct remote_stream *s);

/* As channel_open(). */
int remote_stream_open(struct remote_stream *s, int fd,
		       struct channel_context *tls, const char *name)
	MUST_CHECK;

/* Close the channel, and forget unsent messages and incomplete received
 * ones. */
void remote_stream_close(struct remote_stream *s);

/* Bytes put in and not sent yet. */
size_t remote_stream_pending(const struct remote_stream *s);

/* Put a message in.  Its payload follows with remote_stream_append(). */
void remote_stream_put(struct remote_stream *s, uint16_t type,
		       uint64_t request_id, const ProtobufCMessage *message,
		       uint32_t payload_bytes);
void remote_stream_append(struct remote_stream *s, const void *bytes,
			  size_t length);

/* Send.  Returns 0 (all is sent), -EAGAIN, or -errno (broken). */
int remote_stream_send(struct remote_stream *s) MUST_CHECK;

/* Receive messages until there are no more, or others must have their turn.
 * Returns 0; or -ENOTCONN (the other side has ended), -EPROTO, -EMSGSIZE, or
 * -errno of the receiver or the channel. */
int remote_stream_receive(struct remote_stream *s,
			  const struct remote_receiver *to, void *ctx)
	MUST_CHECK;

#endif
