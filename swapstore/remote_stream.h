/* SPDX-License-Identifier: MIT */
/* Messages of memd.proto over a channel, without blocking: what goes out is
 * gathered in a buffer, what comes in is cut into messages, and payload goes to
 * where its receiver wants it.  What they mean is remote_link.h's. */
#ifndef MEMD_SWAPSTORE_REMOTE_STREAM_H
#define MEMD_SWAPSTORE_REMOTE_STREAM_H

#include "common/checks.h"
#include "proto/channel.h"
#include "proto/wire.h"

enum {
	/* More is put in only below this, so that what is urgent does not have
	 * to wait long behind what has been put in before it. */
	REMOTE_STREAM_OUT_LOW = 64 * 1024,
	/* And no message is longer than this. */
	REMOTE_STREAM_MESSAGE_MAX = 160 * 1024,
};

struct remote_stream {
	struct channel channel;
	bool is_open;
	bool waits_to_write;		/* its last send could not go on */
	uint8_t *in, *out;		/* owned */
	size_t in_head, in_tail, out_head, out_tail;
	struct wire_header header;	/* whose payload is coming in */
	uint8_t *payload_to;		/* borrowed */
	size_t payload_left;
	uint64_t sent_bytes, received_bytes;	/* of all connections */
};

/* Who gets the messages.  Both return 0 or -errno, which ends the stream. */
struct remote_receiver {
	/* A header with its body.  Where it announces payload, ret_payload_to
	 * must be set to memory for all of it. */
	int (*message)(void *ctx, const struct wire_header *h,
		       const uint8_t *body, uint8_t **ret_payload_to);
	/* The payload of the last message is there. */
	int (*payload)(void *ctx, const struct wire_header *h);
};

/* Returns 0 or -ENOMEM. */
int remote_stream_init(struct remote_stream *s) MUST_CHECK;
void remote_stream_fini(struct remote_stream *s);

/* As channel_open(). */
int remote_stream_open(struct remote_stream *s, int fd,
		       struct channel_context *tls, const char *name)
	MUST_CHECK;

/* Forgets what has not gone out, and what has come in by half. */
void remote_stream_close(struct remote_stream *s);

/* Bytes put in that have not gone out. */
size_t remote_stream_pending(const struct remote_stream *s);

/* Put a message in; its payload follows with remote_stream_append(). */
void remote_stream_put(struct remote_stream *s, uint16_t type,
		       uint64_t request_id, const ProtobufCMessage *message,
		       uint32_t payload_bytes);
void remote_stream_append(struct remote_stream *s, const void *bytes,
			  size_t length);

/* Returns 0 (all is out), -EAGAIN, or -errno: it is broken. */
int remote_stream_send(struct remote_stream *s) MUST_CHECK;

/* Take in what has come, until there is no more or it is time for something
 * else.  Returns 0; or -ENOTCONN (the other has ended), -EPROTO, -EMSGSIZE, or
 * what the receiver or the channel said. */
int remote_stream_receive(struct remote_stream *s,
			  const struct remote_receiver *to, void *ctx)
	MUST_CHECK;

#endif
