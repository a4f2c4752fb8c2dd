/* SPDX-License-Identifier: MIT */
#include "daemon/conn.h"

#include "common/clock.h"
#include "daemon/daemon.h"
#include "daemon/dispatch.h"
#include "daemon/remote.h"
#include "daemon/session.h"
#include "daemon/stores.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	IN_FIRST = 4096,
	IN_STORE = 64 * 1024,		/* other hosts send pages */
	RECEIVES_AT_ONCE = 16,		/* of what TLS has decrypted already */
	HELLO_BODY_MAX = 2048,		/* before we know who it is */
	CLOGGED_BYTES = 64 * 1024,
	DIRECT_BYTES_MIN = 32 * 1024,	/* of a payload not worth copying */
};

static const unsigned conn_next[CONN_STATES] = {
	[CONN_NEW] = BIT(CONN_MAIN) | BIT(CONN_LANE) | BIT(CONN_DEAD),
	[CONN_MAIN] = BIT(CONN_DEAD),
	[CONN_LANE] = BIT(CONN_DEAD),
};

void conn_enter(struct conn *c, enum conn_state next)
{
	struct server *server = &c->daemon->server;

	ASSERT(conn_next[c->state] & BIT(next));
	TAILQ_REMOVE(&server->conns[c->state], c, link);
	server->conn_count[c->state]--;
	if (c->state == CONN_NEW && c->peer.is_remote)
		server->remote_newcomers--;
	if (next == CONN_DEAD && c->peer.is_remote)
		addresses_remove(&server->addresses, c->peer.network);
	c->state = next;
	TAILQ_INSERT_TAIL(&server->conns[next], c, link);
	server->conn_count[next]++;
	if (next != CONN_DEAD)
		c->since_ns = 0;
}

/* ---- out */

static size_t output_max(const struct conn *c)
{
	size_t most = (size_t)c->daemon->config.session_output;

	if (c->session != NULL && c->session->is_admin)
		most += WIRE_REPLY_BYTES_MAX;
	if (c->peer.is_remote)
		most += STORE_OUTPUT_BYTES;
	return most;
}

size_t conn_backlog(const struct conn *c)
{
	return output_length(&c->out);
}

bool conn_is_clogged(const struct conn *c)
{
	return conn_backlog(c) > CLOGGED_BYTES;
}

static void mark_dirty(struct conn *c)
{
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	TAILQ_INSERT_TAIL(&c->daemon->server.dirty, c, dirty_link);
}

/* All but the last `elsewhere` bytes of the payload get a place.  Returns
 * where that begins, NULL: closed. */
static void *queue(struct conn *c, uint16_t type, uint64_t request_id,
		   const ProtobufCMessage *message, uint32_t payload_bytes,
		   uint32_t elsewhere)
{
	size_t body = message == NULL ? 0 :
		protobuf_c_message_get_packed_size(message);
	size_t length = WIRE_HEADER_BYTES + body + payload_bytes;
	ssize_t packed;
	uint8_t *to;

	if (c->state == CONN_DEAD)
		return NULL;
	if (conn_backlog(c) + length > output_max(c)) {
		c->daemon->stats.slow_readers++;
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
	c->daemon->stats.messages_out++;
	mark_dirty(c);
	return to + packed;
}

void conn_send(struct conn *c, uint16_t type, uint64_t request_id,
	       const ProtobufCMessage *message)
{
	(void)queue(c, type, request_id, message, 0, 0);
}

void conn_send_fd(struct conn *c, uint16_t type, uint64_t request_id,
		  const ProtobufCMessage *message, int fd)
{
	int err;

	if (c->state == CONN_DEAD)
		return;
	err = output_attach_fd(&c->out, c->fd, fd);
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
		c->daemon->stats.protocol_errors++;
	conn_close(c, "%s", text);
}

static bool is_shaking_hands(const struct conn *c)
{
	return c->channel != NULL && c->channel->state == CHANNEL_HANDSHAKE;
}

static void close_unsent(struct conn *c, int err)
{
	if (err == -EPIPE || err == -ECONNRESET)
		conn_close(c, "left while a reply was on its way");
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

/* Long ones go to the socket from where they are.  What it does not take is
 * copied, but then it is the bottleneck, not we. */
void conn_send_payload(struct conn *c, uint16_t type, uint64_t request_id,
		       const void *payload, uint32_t payload_bytes)
{
	struct stats *stats = &c->daemon->stats;
	int err;

	if (c->channel == NULL || payload_bytes < DIRECT_BYTES_MIN) {
		queue_payload(c, type, request_id, payload, payload_bytes);
		return;
	}
	if (queue(c, type, request_id, NULL, payload_bytes, payload_bytes) ==
	    NULL)
		return;
	err = output_send_payload(&c->out, c->channel, payload, payload_bytes,
				  &stats->bytes_out, &stats->sends);
	if (err != 0)
		close_unsent(c, err);
}

void conn_flush(struct conn *c)
{
	struct stats *stats = &c->daemon->stats;
	int err;

	if (c->state == CONN_DEAD || is_shaking_hands(c))
		return;
	if (c->channel == NULL)
		err = output_send(&c->out, c->fd, &stats->bytes_out,
				  &stats->sends);
	else
		err = output_send_channel(&c->out, c->channel,
					  &stats->bytes_out, &stats->sends);
	if (err != 0)
		close_unsent(c, err);
	else if (conn_backlog(c) > 0)
		(void)event_add(&c->writable, NULL);
	if (err == 0 && c->channel != NULL && c->session != NULL)
		stores_drained(c->session);
}

/* ---- in */

static void close_at_end(struct conn *c)
{
	if (c->in_used > 0 || c->in_skip > 0 || c->payload_left > 0)
		conn_close(c, "left in the middle of a message");
	else
		conn_close(c, "left");
}

/* Make room for `length` bytes of input. */
static bool grow_input(struct conn *c, size_t length)
{
	uint8_t *in;

	if (length <= c->in_size)
		return true;
	in = realloc(c->in, length);
	if (in == NULL) {
		conn_close(c, "no memory for its message");
		return false;
	}
	c->in = in;
	c->in_size = length;
	return true;
}

static void refuse_header(struct conn *c, int err)
{
	if (err == -EMSGSIZE)
		conn_refuse(c, 0, err, "message too long: a body has at most "
			    "%u bytes, a payload %u",
			    c->state == CONN_NEW ? (unsigned)HELLO_BODY_MAX :
				(unsigned)WIRE_BODY_BYTES_MAX,
			    (unsigned)WIRE_PAYLOAD_BYTES_MAX);
	else
		conn_refuse(c, 0, -EPROTO,
			    "not memd's protocol: no magic number where a "
			    "message should begin");
}

/* Take one message off the front of [*at, in_used).  Returns false when there
 * is not a whole one, or the connection is closed. */
static bool take_message(struct conn *c, size_t *at)
{
	uint32_t body_max = c->state == CONN_NEW ? HELLO_BODY_MAX :
						   WIRE_BODY_BYTES_MAX;
	size_t there = c->in_used - *at, length;
	struct wire_header h;
	int err;

	if (there < WIRE_HEADER_BYTES)
		return false;
	err = wire_header_unpack(c->in + *at, body_max, &h);
	if (err != 0) {
		refuse_header(c, err);
		return false;
	}
	if (h.version_major != WIRE_VERSION_MAJOR) {
		conn_refuse(c, h.request_id, -EPROTONOSUPPORT,
			    "this memd speaks protocol version %u.%u, you "
			    "speak %u.%u; install the same version on both "
			    "sides", WIRE_VERSION_MAJOR, WIRE_VERSION_MINOR,
			    h.version_major, h.version_minor);
		return false;
	}
	length = WIRE_HEADER_BYTES + h.body_bytes;
	if (there < length) {
		if (*at == 0)
			(void)grow_input(c, length);
		return false;
	}
	c->daemon->stats.messages_in++;
	c->in_skip = h.payload_bytes;
	dispatch_message(c, &h, c->in + *at + WIRE_HEADER_BYTES);
	*at += length;
	return c->state != CONN_DEAD;
}

static void skip_payload(struct conn *c, size_t *at)
{
	size_t n = (size_t)MIN((uint64_t)(c->in_used - *at), c->in_skip);

	*at += n;
	c->in_skip -= n;
}

/* `length` more bytes of the payload are where they belong. */
static void advance_payload(struct conn *c, size_t length)
{
	c->payload += length;
	c->payload_left -= length;
	if (c->payload_left == 0)
		c->payload_done(c);
}

static void copy_payload(struct conn *c, size_t *at)
{
	size_t n = MIN(c->in_used - *at, c->payload_left);

	if (n == 0)
		return;
	memcpy(c->payload, c->in + *at, n);
	*at += n;
	advance_payload(c, n);
}

void conn_take_payload(struct conn *c, void *to, conn_payload_done *done)
{
	ASSERT(c->in_skip > 0 && c->payload_left == 0);
	c->payload = to;
	c->payload_left = (size_t)c->in_skip;
	c->payload_done = done;
	c->in_skip = 0;
}

/* Half a message has only so much time; whole ones start it anew.  Where it is
 * memd that does not read, there is no hurry. */
static void note_progress(struct conn *c, bool has_taken)
{
	bool is_between = c->in_used == 0 && c->in_skip == 0 &&
			  c->payload_left == 0;

	if (c->state == CONN_NEW)
		return;
	if (is_between || c->is_held)
		c->since_ns = 0;
	else if (has_taken || c->since_ns == 0)
		c->since_ns = clock_now_ns();
}

static void take_messages(struct conn *c)
{
	size_t at = 0;
	bool is_whole = true;

	while (is_whole && !c->is_held) {
		skip_payload(c, &at);
		copy_payload(c, &at);
		is_whole = !c->is_held && c->payload_left == 0 &&
			   take_message(c, &at);
	}
	if (c->state == CONN_DEAD)
		return;
	if (at > 0)
		memmove(c->in, c->in + at, c->in_used - at);
	c->in_used -= at;
	note_progress(c, at > 0);
	/* The next part of a long message may not fit in what is left. */
	if (c->in_used == c->in_size && !c->is_held)
		(void)grow_input(c, c->in_size + WIRE_HEADER_BYTES);
}

static ssize_t receive_into(struct conn *c, void *to, size_t length)
{
	ssize_t n;

	if (c->channel != NULL)
		return channel_recv(c->channel, to, length);
	n = recv(c->fd, to, length, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

/* Returns false when there was nothing, or the connection is closed. */
static bool receive(struct conn *c)
{
	bool is_direct = c->payload_left > 0 && c->in_used == 0;
	ssize_t n;

	if (!grow_input(c, c->peer.is_remote && c->state != CONN_NEW ?
				IN_STORE : IN_FIRST))
		return false;
	if (is_direct)
		n = receive_into(c, c->payload, c->payload_left);
	else
		n = receive_into(c, c->in + c->in_used,
				 c->in_size - c->in_used);
	if (n == 0 || n == -ECONNRESET) {
		close_at_end(c);
		return false;
	}
	if (n < 0) {
		if (n != -EAGAIN && n != -EINTR)
			conn_close(c, "receive: %s", c->channel != NULL ?
				   c->channel->reason : strerror((int)-n));
		return false;
	}
	c->daemon->stats.bytes_in += (uint64_t)n;
	if (is_direct)
		advance_payload(c, (size_t)n);
	else
		c->in_used += (size_t)n;
	take_messages(c);
	return c->state != CONN_DEAD;
}

/* ---- the handshake of TLS */

/* Returns whether it is over, well. */
static bool shake_hands(struct conn *c)
{
	int err = channel_handshake(c->channel);

	if (err != 0 && err != -EAGAIN) {
		c->daemon->stats.tls_refused++;
		remote_refused(c->daemon, &c->peer, c->channel->reason);
		conn_close(c, "%s", c->channel->reason);
	} else if (err != 0 && c->channel->wants_write) {
		(void)event_add(&c->writable, NULL);
	}
	return err == 0;
}

/* What a channel holds back the socket does not tell. */
static void receive_remote(struct conn *c)
{
	if (is_shaking_hands(c) && !shake_hands(c))
		return;
	for (int i = 0; i < RECEIVES_AT_ONCE; i++)
		if (c->is_held || !receive(c) ||
		    !channel_has_input(c->channel))
			return;
	event_active(&c->readable, EV_READ, 0);
}

void conn_hold(struct conn *c)
{
	c->is_held = true;
	(void)event_del(&c->readable);
}

void conn_release(struct conn *c)
{
	if (!c->is_held || c->state == CONN_DEAD)
		return;
	c->is_held = false;
	(void)event_add(&c->readable, NULL);
	take_messages(c);
	if (c->state != CONN_DEAD && !c->is_held &&
	    channel_has_input(c->channel))
		event_active(&c->readable, EV_READ, 0);
}

/* A handshake, or TLS itself, may have to write to go on reading, and the
 * other way round. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->channel == NULL) {
		(void)receive(c);
	} else {
		receive_remote(c);
		if (c->state != CONN_DEAD && conn_backlog(c) > 0)
			mark_dirty(c);
	}
	daemon_settle(c->daemon);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->channel != NULL && c->channel->ssl != NULL && !c->is_held)
		receive_remote(c);
	conn_flush(c);
	daemon_settle(c->daemon);
}

/* ---- coming and going */

static struct conn *allocate(struct daemon *d, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->daemon = d;
	c->fd = fd;
	c->state = CONN_NEW;
	c->since_ns = clock_now_ns();
	output_init(&c->out);
	LIST_INIT(&c->pending);
	return c;
}

static int start_reading(struct conn *c)
{
	struct daemon *d = c->daemon;

	if (event_assign(&c->readable, d->base, c->fd, EV_READ | EV_PERSIST,
			 on_readable, c) != 0 ||
	    event_assign(&c->writable, d->base, c->fd, EV_WRITE, on_writable,
			 c) != 0)
		return -ENOMEM;
	(void)event_priority_set(&c->readable, PRIORITY_ADMIN);
	(void)event_priority_set(&c->writable, PRIORITY_ADMIN);
	if (c->peer.is_remote &&
	    addresses_add(&d->server.addresses, c->peer.network) != 0)
		return -ENOMEM;
	if (event_add(&c->readable, NULL) != 0) {
		if (c->peer.is_remote)
			addresses_remove(&d->server.addresses,
					 c->peer.network);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&d->server.conns[CONN_NEW], c, link);
	d->server.conn_count[CONN_NEW]++;
	if (c->peer.is_remote)
		d->server.remote_newcomers++;
	return 0;
}

int conn_create(struct daemon *d, int fd)
{
	struct conn *c = allocate(d, fd);
	int err = c == NULL ? -ENOMEM : peer_init(&c->peer, fd);

	if (err == 0)
		err = start_reading(c);
	if (err == 0)
		return 0;
	if (c != NULL)
		peer_fini(&c->peer);
	close(fd);
	free(c);
	return err;
}

static void free_channel(struct conn *c)
{
	if (c->channel != NULL)
		channel_close(c->channel);
	free(c->channel);
	c->channel = NULL;
}

int conn_create_remote(struct daemon *d, int fd,
		       struct channel_context *context,
		       const struct peer *peer)
{
	struct conn *c = allocate(d, fd);
	struct channel *channel = malloc(sizeof(*channel));
	int err;

	if (c == NULL || channel == NULL) {
		free(c);
		free(channel);
		close(fd);
		return -ENOMEM;
	}
	c->peer = *peer;
	remote_set_options(fd);
	err = channel_open(channel, fd, context, NULL);
	if (err != 0) {
		free(c);
		free(channel);
		return err;
	}
	c->channel = channel;
	err = start_reading(c);
	if (err != 0) {
		free_channel(c);
		free(c);
		return err;
	}
	return 0;
}

void conn_close(struct conn *c, const char *format, ...)
{
	va_list args;

	if (c->state == CONN_DEAD)
		return;
	va_start(args, format);
	vsnprintf(c->reason, sizeof(c->reason), format, args);
	va_end(args);
	(void)event_del(&c->readable);
	(void)event_del(&c->writable);
	conn_enter(c, CONN_DEAD);
	(void)event_active(&c->daemon->turn, EV_TIMEOUT, 0);
}

void conn_destroy(struct conn *c)
{
	struct server *server = &c->daemon->server;

	ASSERT(c->state == CONN_DEAD && LIST_EMPTY(&c->pending));
	TAILQ_REMOVE(&server->conns[CONN_DEAD], c, link);
	server->conn_count[CONN_DEAD]--;
	if (c->is_dirty)
		TAILQ_REMOVE(&server->dirty, c, dirty_link);
	output_fini(&c->out);
	peer_fini(&c->peer);
	if (c->channel != NULL)
		free_channel(c);
	else
		close(c->fd);
	free(c->in);
	free(c);
}
