/* SPDX-License-Identifier: MIT */
/* Both buffers are plain memory.  Their content is moved to the front when the
 * end is near; little is left in them then.  Bytes are copied once when they
 * are sent, and once when they are received, except long payloads.  This costs
 * less than the system calls that it saves. */
#include "swapstore/remote_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	OUT_BYTES = REMOTE_STREAM_OUT_LOW + REMOTE_STREAM_MESSAGE_MAX,
	IN_BYTES = WIRE_HEADER_BYTES + WIRE_BODY_BYTES_MAX,
	/* Longer payloads are received directly into place. */
	DIRECT_BYTES_MIN = 16 * 1024,
	TURN_BYTES = 4 * 1024 * 1024,	/* received in one turn */
};

int remote_stream_init(struct remote_stream *s)
{
	*s = (struct remote_stream){ .channel.fd = -1 };
	s->in = malloc(IN_BYTES);
	s->out = malloc(OUT_BYTES);
	return s->in == NULL || s->out == NULL ? -ENOMEM : 0;
}

void remote_stream_fini(struct remote_stream *s)
{
	remote_stream_close(s);
	free(s->in);
	free(s->out);
	s->in = s->out = NULL;
}

int remote_stream_open(struct remote_stream *s, int fd,
		       struct channel_context *tls, const char *name)
{
	int err = channel_open(&s->channel, fd, tls, name);

	s->is_open = err == 0;
	return err;
}

void remote_stream_close(struct remote_stream *s)
{
	if (s->is_open)
		channel_close(&s->channel);
	s->is_open = s->waits_to_write = false;
	s->in_head = s->in_tail = s->out_head = s->out_tail = 0;
	s->payload_to = NULL;
	s->payload_left = 0;
}

/* ---- sending */

size_t remote_stream_pending(const struct remote_stream *s)
{
	return s->out_tail - s->out_head;
}

static void move_out_to_front(struct remote_stream *s)
{
	size_t pending = remote_stream_pending(s);

	if (s->out_head > 0 && pending > 0)
		memmove(s->out, s->out + s->out_head, pending);
	s->out_head = 0;
	s->out_tail = pending;
}

void remote_stream_put(struct remote_stream *s, uint16_t type,
		       uint64_t request_id, const ProtobufCMessage *message,
		       uint32_t payload_bytes)
{
	ssize_t n;

	if (OUT_BYTES - s->out_tail < REMOTE_STREAM_MESSAGE_MAX)
		move_out_to_front(s);
	n = wire_pack(type, request_id, message, payload_bytes,
		      s->out + s->out_tail, OUT_BYTES - s->out_tail);
	ASSERT(n > 0);
	s->out_tail += (size_t)n;
}

void remote_stream_append(struct remote_stream *s, const void *bytes,
			  size_t length)
{
	ASSERT(length <= OUT_BYTES - s->out_tail);
	memcpy(s->out + s->out_tail, bytes, length);
	s->out_tail += length;
}

int remote_stream_send(struct remote_stream *s)
{
	s->waits_to_write = false;
	while (remote_stream_pending(s) > 0) {
		ssize_t n = channel_send(&s->channel, s->out + s->out_head,
					 remote_stream_pending(s));

		if (n == -EAGAIN)
			s->waits_to_write = s->channel.wants_write;
		if (n < 0)
			return (int)n;
		s->out_head += (size_t)n;
		s->sent_bytes += (size_t)n;
	}
	return 0;
}

/* ---- receiving */

static size_t in_bytes(const struct remote_stream *s)
{
	return s->in_tail - s->in_head;
}

/* Receive something: directly into place if much payload is missing, else into
 * the buffer, which holds no whole message.  *ret_is_all: there was less than
 * there was room for, so nothing is left, and another call would only say so.
 * With TLS this is unknown. */
static ssize_t receive_more(struct remote_stream *s, bool *ret_is_all)
{
	bool is_direct = s->payload_left >= DIRECT_BYTES_MIN;
	size_t kept = in_bytes(s), room;
	ssize_t n;

	if (kept > 0 && s->in_head > 0)
		memmove(s->in, s->in + s->in_head, kept);
	s->in_head = 0;
	s->in_tail = kept;
	room = is_direct ? s->payload_left : IN_BYTES - kept;
	n = channel_recv(&s->channel, is_direct ? s->payload_to : s->in + kept,
			 room);
	if (n <= 0)
		return n == 0 ? -ENOTCONN : n;
	*ret_is_all = s->channel.ssl == NULL && (size_t)n < room;
	s->received_bytes += (size_t)n;
	if (is_direct) {
		s->payload_to += n;
		s->payload_left -= (size_t)n;
	} else {
		s->in_tail += (size_t)n;
	}
	return n;
}

static void take_payload(struct remote_stream *s)
{
	size_t length = MIN(in_bytes(s), s->payload_left);

	if (length == 0)
		return;
	memcpy(s->payload_to, s->in + s->in_head, length);
	s->in_head += length;
	s->payload_to += length;
	s->payload_left -= length;
}

/* Take the next message from the buffer.  Returns 1, 0 (it is not complete), or
 * -errno. */
static int stream_take_message(struct remote_stream *s,
			       const struct remote_receiver *to, void *ctx)
{
	const uint8_t *at = s->in + s->in_head;
	int err;

	if (in_bytes(s) < WIRE_HEADER_BYTES)
		return 0;
	err = wire_header_unpack(at, WIRE_BODY_BYTES_MAX, &s->header);
	if (err == 0 && s->header.version_major != WIRE_VERSION_MAJOR)
		err = -EPROTO;
	if (err != 0)
		return err;
	if (in_bytes(s) < WIRE_HEADER_BYTES + s->header.body_bytes)
		return 0;
	s->in_head += WIRE_HEADER_BYTES + s->header.body_bytes;
	err = to->message(ctx, &s->header, at + WIRE_HEADER_BYTES,
			  &s->payload_to);
	if (err != 0)
		return err;
	s->payload_left = s->header.payload_bytes;
	ASSERT(s->payload_left == 0 || s->payload_to != NULL);
	return 1;
}

/* Take all messages in the buffer.  Returns 0 or -errno. */
static int stream_take_messages(struct remote_stream *s,
				const struct remote_receiver *to, void *ctx)
{
	int got;

	for (;;) {
		if (s->payload_to != NULL) {
			take_payload(s);
			if (s->payload_left > 0)
				return 0;
			s->payload_to = NULL;
			got = to->payload(ctx, &s->header);
			if (got != 0)
				return got;
		}
		got = stream_take_message(s, to, ctx);
		if (got <= 0)
			return got;
	}
}

int remote_stream_receive(struct remote_stream *s,
			  const struct remote_receiver *to, void *ctx)
{
	size_t total = 0;
	bool is_all = false;

	while (total < TURN_BYTES && !is_all) {
		ssize_t n = receive_more(s, &is_all);
		int err;

		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		total += (size_t)n;
		err = stream_take_messages(s, to, ctx);
		if (err != 0)
			return err;
	}
	return 0;
}
