/* SPDX-License-Identifier: MIT */
#include "daemon/net/conn_input.h"

#include "common/clock.h"
#include "daemon/net/conn_descriptors.h"
#include "daemon/net/conn_output.h"
#include "daemon/net/dispatch.h"
#include "daemon/net/line.h"
#include "daemon/net/remote.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
	IN_FIRST = 4096,
	IN_STORE = 64 * 1024,		/* for other hosts, which send pages */
	HELLO_BODY_MAX = 2048,		/* while the peer is unknown */
};

/* ---- messages */

static void close_at_end(struct conn *c)
{
	if (c->in_used > 0 || c->in_skip > 0 || c->payload_left > 0)
		conn_close(c, "left in the middle of a message");
	else
		conn_close(c, "left");
}

/* Make room for `length` bytes of input.  On failure `c` is closed. */
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

static bool must_stand_in_line(struct conn *c)
{
	if (line_lets_pass(c->all, c))
		return false;
	conn_hold(c);
	line_join(c);
	return true;
}

/* Whether the next message of `c` may be read or handled now.  If not, `c` is
 * held and waits in line. */
static bool may_go_on(struct conn *c)
{
	return (c->is_paging && !c->was_dear) || !must_stand_in_line(c);
}

/* Handle one message from the front of [*at, in_used).  Returns false if there
 * is no whole message, if it must wait, or if the connection is closed. */
static bool conn_take_message(struct conn *c, size_t *at)
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
	c->is_paging = dispatch_is_paging(h.type);
	if (!may_go_on(c))
		return false;
	if (c->was_dear)
		c->work = 0;
	c->was_dear = false;
	c->all->stats->messages_in++;
	c->in_skip = h.payload_bytes;
	dispatch_message(c, &h, c->in + *at + WIRE_HEADER_BYTES);
	if (c->must_repeat) {
		c->must_repeat = false;
		c->in_skip = 0;
		return false;
	}
	*at += length;
	return c->state != CONN_DEAD;
}

static void skip_payload(struct conn *c, size_t *at)
{
	size_t n = (size_t)MIN((uint64_t)(c->in_used - *at), c->in_skip);

	*at += n;
	c->in_skip -= n;
}

/* `length` more bytes of the payload have been received. */
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

/* An incomplete message must be completed within message_timeout; each complete
 * message restarts the time.  A held connection has no time limit, because it
 * is memd that does not read. */
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
			   conn_take_message(c, &at);
	}
	if (c->state == CONN_DEAD)
		return;
	if (at > 0)
		memmove(c->in, c->in + at, c->in_used - at);
	c->in_used -= at;
	note_progress(c, at > 0);
	/* The input buffer may be full before a long message is complete. */
	if (c->in_used == c->in_size && !c->is_held)
		(void)grow_input(c, c->in_size + WIRE_HEADER_BYTES);
}

static ssize_t receive_into(struct conn *c, void *to, size_t length)
{
	ssize_t n;

	if (c->channel != NULL)
		return channel_recv(c->channel, to, length);
	if (c->takes_descriptors)
		return conn_descriptors_receive(c, to, length);
	n = recv(c->fd, to, length, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

/* Returns false if nothing could be received or the connection is closed. */
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
	c->all->stats->bytes_in += (uint64_t)n;
	if (is_direct)
		advance_payload(c, (size_t)n);
	else
		c->in_used += (size_t)n;
	take_messages(c);
	return c->state != CONN_DEAD;
}

/* ---- a channel */

/* Returns whether the handshake has succeeded. */
static bool shake_hands(struct conn *c)
{
	int err = channel_handshake(c->channel);

	if (err != 0 && err != -EAGAIN) {
		c->all->stats->tls_refused++;
		remote_refused(c->all, &c->peer, c->channel->reason);
		conn_close(c, "%s", c->channel->reason);
	} else if (err != 0 && c->channel->wants_write) {
		(void)event_add(&c->writable, NULL);
	}
	return err == 0;
}

/* The channel may hold decrypted input that makes no socket event.  That is at
 * most the rest of one TLS record, so the loop ends. */
static void receive_remote(struct conn *c)
{
	if (conn_is_shaking_hands(c) && !shake_hands(c))
		return;
	while (!c->is_held && receive(c) && channel_has_input(c->channel))
		;
}

void conn_receive(struct conn *c)
{
	ASSERT(c->state != CONN_DEAD);
	if (c->channel != NULL) {
		receive_remote(c);
	} else if (may_go_on(c)) {
		c->work = 0;
		(void)receive(c);
	}
}

/* ---- messages that must wait */

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
	if (c->state == CONN_DEAD || c->is_held)
		return;
	if (c->channel == NULL)
		(void)receive(c);
	else if (channel_has_input(c->channel))
		event_active(&c->readable, EV_READ, 0);
}

/* A name service has been asked and may have answered meanwhile.  To identify
 * one peer costs tens of microseconds, so only a few are tried at once. */
enum { REPEAT_MS = 20, REPEAT_NEXT_MS = 5, REPEATS_AT_ONCE = 16 };

static void repeat_in(struct conns *all, unsigned delay_ms)
{
	struct timeval delay = { .tv_usec = (suseconds_t)delay_ms * 1000 };

	(void)event_add(&all->repeat, &delay);
}

static void on_repeat(evutil_socket_t fd, short what, void *arg)
{
	struct conns *all = arg;
	struct conn *last = TAILQ_LAST(&all->repeating, conn_list), *c;
	unsigned left = REPEATS_AT_ONCE;

	(void)fd;
	(void)what;
	/* A connection that must wait again goes behind `last`, so each is
	 * tried once. */
	for (c = NULL; c != last && left > 0; left--) {
		c = TAILQ_FIRST(&all->repeating);
		if (c == NULL)
			break;
		TAILQ_REMOVE(&all->repeating, c, repeat_link);
		c->is_repeating = false;
		conn_release(c);
	}
	if (!TAILQ_EMPTY(&all->repeating))
		repeat_in(all, c == last ? REPEAT_MS : REPEAT_NEXT_MS);
	all->ops->settle(all->ctx);
}

static void on_line_turn(evutil_socket_t fd, short what, void *arg)
{
	struct conns *all = arg;
	struct conn *c;

	(void)fd;
	(void)what;
	if (!line_begin_turn(all))
		return;
	while ((c = line_next(all)) != NULL)
		conn_release(c);
	all->ops->settle(all->ctx);
}

int conns_watch(struct conns *all)
{
	if (event_assign(&all->repeat, all->base, -1, 0, on_repeat, all) != 0 ||
	    event_assign(&all->line_turn, all->base, -1, 0, on_line_turn,
			 all) != 0)
		return -EINVAL;
	(void)event_priority_set(&all->line_turn, PRIORITY_PAGING);
	return 0;
}

void conn_repeat(struct conn *c)
{
	struct conns *all = c->all;

	c->must_repeat = true;
	conn_hold(c);
	if (!c->is_repeating)
		TAILQ_INSERT_TAIL(&all->repeating, c, repeat_link);
	c->is_repeating = true;
	if (!event_pending(&all->repeat, EV_TIMEOUT, NULL))
		repeat_in(all, REPEAT_MS);
}
