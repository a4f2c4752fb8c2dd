/* SPDX-License-Identifier: MIT */
/* Sending messages.  They are packed into the connection's output buffer in the
 * order of the calls, and sent from there.  output.h keeps the bytes. */
#include "daemon/net/conn_output.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum {
	CLOGGED_BYTES = 64 * 1024,
	DIRECT_BYTES_MIN = 32 * 1024,	/* shorter payloads are copied */
	/* Pages for another host, in addition to replies. */
	PAYLOADS_BYTES = CONN_PAYLOADS_BYTES,
};

static size_t output_max(const struct conn *c)
{
	size_t most = (size_t)c->all->config->session_output;

	if (c->is_admin)
		most += WIRE_REPLY_BYTES_MAX;
	if (c->peer.is_remote)
		most += PAYLOADS_BYTES;
	return most;
}

bool conn_is_clogged(const struct conn *c)
{
	return conn_backlog(c) > CLOGGED_BYTES;
}

void conn_mark_dirty(struct conn *c)
{
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	TAILQ_INSERT_TAIL(&c->all->dirty, c, dirty_link);
}

/* Pack a message into the output buffer, except for the last `elsewhere` bytes
 * of its payload.  The caller fills in the payload.  Returns the place of the
 * payload, or NULL: nothing was queued, and the connection may be closed. */
static void *queue(struct conn *c, uint16_t type, uint64_t request_id,
		   const ProtobufCMessage *message, uint32_t payload_bytes,
		   uint32_t elsewhere)
{
	size_t body = message == NULL ? 0 :
		protobuf_c_message_get_packed_size(message);
	size_t length = WIRE_HEADER_BYTES + body + payload_bytes;
	ssize_t packed;
	uint8_t *to;

	if (c->state == CONN_DEAD || c->is_deaf)
		return NULL;
	if (conn_backlog(c) + length > output_max(c)) {
		c->all->stats->slow_readers++;
		conn_close(c, "does not read: %zu bytes of replies wait",
			   conn_backlog(c));
		return NULL;
	}
	to = output_reserve(&c->out, length - elsewhere);
	if (to == NULL) {
		conn_close(c, "no memory for its replies");
		return NULL;
	}
	packed = wire_pack(type, request_id, message, payload_bytes, to,
			   length - payload_bytes);
	if (packed < 0) {
		conn_close(c, "a reply of %zu bytes is too long", length);
		return NULL;
	}
	output_commit(&c->out, (size_t)packed + payload_bytes - elsewhere);
	c->all->stats->messages_out++;
	conn_mark_dirty(c);
	return to + packed;
}

void conn_send(struct conn *c, uint16_t type, uint64_t request_id,
	       const ProtobufCMessage *message)
{
	(void)queue(c, type, request_id, message, 0, 0);
}

bool conn_takes_fds(const struct conn *c)
{
	return c->out.fds_unread + c->out.fd_count < OUTPUT_FDS_MAX / 8;
}

void conn_send_fds(struct conn *c, uint16_t type, uint64_t request_id,
		   const ProtobufCMessage *message, const int *fds,
		   unsigned count)
{
	int err = 0;

	if (c->state == CONN_DEAD || c->is_deaf)
		return;
	for (unsigned i = 0; i < count && err == 0; i++)
		err = output_attach_fd(&c->out, c->fd, fds[i]);
	if (err == -EAGAIN)
		conn_close(c, "does not receive the descriptors it asks for");
	else if (err != 0)
		conn_close(c, "descriptor: %s", strerror(-err));
	else
		conn_send(c, type, request_id, message);
}

void conn_send_ok(struct conn *c, uint64_t request_id)
{
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_OK, request_id, NULL);
}

static void send_error(struct conn *c, uint64_t request_id, int error,
		       const char *format, va_list args)
{
	Memd__Error message = MEMD__ERROR__INIT;
	char text[WIRE_TEXT_BYTES_MAX + 1];

	vsnprintf(text, sizeof(text), format, args);
	message.code = (uint32_t)-error;
	message.text = text;
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_ERROR, request_id,
		  &message.base);
}

void conn_send_error(struct conn *c, uint64_t request_id, int error,
		     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	send_error(c, request_id, error, format, args);
	va_end(args);
}

void conn_refuse(struct conn *c, uint64_t request_id, int error,
		 const char *format, ...)
{
	char text[128];
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	send_error(c, request_id, error, format, args);
	vsnprintf(text, sizeof(text), format, again);
	va_end(again);
	va_end(args);
	conn_flush(c);
	if (error == -EPROTO || error == -EMSGSIZE)
		c->all->stats->protocol_errors++;
	conn_close(c, "%s", text);
}

static void close_unsent(struct conn *c, int err)
{
	if (err == -EPIPE || err == -ECONNRESET)
		conn_close(c, "left while a reply was on its way");
	else if (err == -EFAULT)
		conn_close(c, "the memory that a reply is in has failed");
	else
		conn_close(c, "send: %s", strerror(-err));
}

static void queue_payload(struct conn *c, uint16_t type, uint64_t request_id,
			  const void *payload, uint32_t payload_bytes)
{
	void *to = queue(c, type, request_id, NULL, payload_bytes, 0);

	if (to != NULL)
		memcpy(to, payload, payload_bytes);
}

/* Send a long payload to the socket from where it is.  Bytes that the socket
 * does not take are copied; then the socket is the bottleneck, not the copy.
 *
 * If the payload's memory has failed (a hardware error), the kernel reports it
 * only after a part of the reply has been sent, and the connection must be
 * closed.  The client connects and asks again.  So after the first such
 * failure, each payload is checked before, and the client gets an Error. */
void conn_send_payload(struct conn *c, uint16_t type, uint64_t request_id,
		       const void *payload, uint32_t payload_bytes)
{
	struct stats *stats = c->all->stats;
	int err;

	if (stats->memory_failures > 0 &&
	    !output_can_read(payload, payload_bytes)) {
		conn_send_error(c, request_id, -EIO, "the memory that the "
				"bytes were in has failed");
		return;
	}
	if (c->channel == NULL || payload_bytes < DIRECT_BYTES_MIN) {
		queue_payload(c, type, request_id, payload, payload_bytes);
		return;
	}
	if (queue(c, type, request_id, NULL, payload_bytes, payload_bytes) ==
	    NULL)
		return;
	err = output_send_payload(&c->out, c->channel, payload, payload_bytes,
				  &stats->bytes_out, &stats->sends);
	c->is_full = conn_backlog(c) > 0;
	stats->memory_failures += err == -EFAULT;
	if (err != 0)
		close_unsent(c, err);
}

/* A program that has disconnected may have sent Goodbye before, behind messages
 * that wait in line.  So a failed send does not close its connection: the end
 * of its input does. */
static bool drop_replies_if_gone(struct conn *c, int err)
{
	if ((err != -EPIPE && err != -ECONNRESET) || c->state != CONN_MAIN ||
	    c->channel != NULL)
		return false;
	c->is_deaf = true;
	output_fini(&c->out);
	return true;
}

void conn_flush(struct conn *c)
{
	struct stats *stats = c->all->stats;
	int err;

	if (c->state == CONN_DEAD || conn_is_shaking_hands(c))
		return;
	if (c->channel == NULL)
		err = output_send(&c->out, c->fd, &stats->bytes_out,
				  &stats->sends);
	else
		err = output_send_channel(&c->out, c->channel,
					  &stats->bytes_out, &stats->sends);
	if (drop_replies_if_gone(c, err))
		err = 0;
	c->is_full = conn_backlog(c) > 0;
	if (err != 0)
		close_unsent(c, err);
	else if (conn_backlog(c) > 0)
		(void)event_add(&c->writable, NULL);
	if (err == 0 && c->channel != NULL && c->session != NULL)
		c->all->ops->drained(c->all->ctx, c);
}
