/* SPDX-License-Identifier: MIT */
#include "daemon/conn.h"

#include "common/clock.h"
#include "daemon/daemon.h"
#include "daemon/dispatch.h"
#include "daemon/session.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	IN_FIRST = 4096,
	HELLO_BODY_MAX = 2048,		/* before we know who it is */
	CLOGGED_BYTES = 64 * 1024,
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

void conn_send(struct conn *c, uint16_t type, uint64_t request_id,
	       const ProtobufCMessage *message)
{
	size_t body = message == NULL ? 0 :
		protobuf_c_message_get_packed_size(message);
	size_t length = WIRE_HEADER_BYTES + body;
	ssize_t packed;
	void *to;

	if (c->state == CONN_DEAD)
		return;
	if (conn_backlog(c) + length > output_max(c)) {
		c->daemon->stats.slow_readers++;
		conn_close(c, "does not read: %zu bytes of replies wait",
			   conn_backlog(c));
		return;
	}
	to = output_reserve(&c->out, length);
	if (to == NULL) {
		conn_close(c, "no memory for its replies");
		return;
	}
	packed = wire_pack(type, request_id, message, 0, to, length);
	if (packed < 0) {
		conn_close(c, "a reply of %zu bytes is too long", length);
		return;
	}
	output_commit(&c->out, (size_t)packed);
	c->daemon->stats.messages_out++;
	mark_dirty(c);
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

void conn_flush(struct conn *c)
{
	struct stats *stats = &c->daemon->stats;
	int err;

	if (c->state == CONN_DEAD)
		return;
	err = output_send(&c->out, c->fd, &stats->bytes_out, &stats->sends);
	if (err == -EPIPE || err == -ECONNRESET)
		conn_close(c, "left while a reply was on its way");
	else if (err != 0)
		conn_close(c, "send: %s", strerror(-err));
	else if (conn_backlog(c) > 0)
		(void)event_add(&c->writable, NULL);
}

/* ---- in */

static void close_at_end(struct conn *c)
{
	if (c->in_used > 0 || c->in_skip > 0)
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

static void take_messages(struct conn *c)
{
	size_t at = 0;
	bool is_whole = true;

	while (is_whole) {
		skip_payload(c, &at);
		is_whole = take_message(c, &at);
	}
	if (c->state == CONN_DEAD)
		return;
	memmove(c->in, c->in + at, c->in_used - at);
	c->in_used -= at;
	/* Half a message has only so much time; whole ones start it anew. */
	if (c->state != CONN_NEW && c->in_used == 0 && c->in_skip == 0)
		c->since_ns = 0;
	else if (c->state != CONN_NEW && (at > 0 || c->since_ns == 0))
		c->since_ns = clock_now_ns();
	/* The next part of a long message may not fit in what is left. */
	if (c->in_used == c->in_size)
		(void)grow_input(c, c->in_size + WIRE_HEADER_BYTES);
}

static void receive(struct conn *c)
{
	ssize_t n;

	if (!grow_input(c, IN_FIRST))
		return;
	n = recv(c->fd, c->in + c->in_used, c->in_size - c->in_used,
		 MSG_DONTWAIT);
	if (n == 0) {
		close_at_end(c);
	} else if (n < 0) {
		if (errno == ECONNRESET)
			close_at_end(c);
		else if (errno != EAGAIN && errno != EINTR)
			conn_close(c, "receive: %s", strerror(errno));
	} else {
		c->in_used += (size_t)n;
		c->daemon->stats.bytes_in += (uint64_t)n;
		take_messages(c);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	receive(c);
	daemon_settle(c->daemon);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	conn_flush(c);
	daemon_settle(c->daemon);
}

/* ---- coming and going */

int conn_create(struct daemon *d, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int err = -ENOMEM;

	if (c == NULL) {
		close(fd);
		return -ENOMEM;
	}
	c->daemon = d;
	c->fd = fd;
	c->state = CONN_NEW;
	c->since_ns = clock_now_ns();
	output_init(&c->out);
	LIST_INIT(&c->pending);
	err = peer_init(&c->peer, fd);
	if (err != 0)
		goto fail;
	err = -ENOMEM;
	if (event_assign(&c->readable, d->base, fd, EV_READ | EV_PERSIST,
			 on_readable, c) != 0 ||
	    event_assign(&c->writable, d->base, fd, EV_WRITE, on_writable,
			 c) != 0)
		goto fail;
	(void)event_priority_set(&c->readable, PRIORITY_ADMIN);
	(void)event_priority_set(&c->writable, PRIORITY_ADMIN);
	if (event_add(&c->readable, NULL) != 0)
		goto fail;
	TAILQ_INSERT_TAIL(&d->server.conns[CONN_NEW], c, link);
	d->server.conn_count[CONN_NEW]++;
	return 0;
fail:
	peer_fini(&c->peer);
	close(fd);
	free(c);
	return err;
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
	close(c->fd);
	free(c->in);
	free(c);
}
