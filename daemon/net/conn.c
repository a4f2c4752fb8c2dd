/* SPDX-License-Identifier: MIT */
/* A connection's life: its states, its events, coming and going. */
#include "daemon/net/conn.h"

#include "common/clock.h"
#include "daemon/net/busy_poll.h"
#include "daemon/net/conn_descriptors.h"
#include "daemon/net/conn_input.h"
#include "daemon/daemon.h"
#include "daemon/net/line.h"
#include "proto/tcp_options.h"
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

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

bool conn_is_shaking_hands(const struct conn *c)
{
	return c->channel != NULL && c->channel->state == CHANNEL_HANDSHAKE;
}

/* ---- events */

/* A handshake, or TLS itself, may have to write to go on reading, and the
 * other way round. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	conn_receive(c);
	if (c->channel != NULL && c->state != CONN_DEAD && conn_backlog(c) > 0)
		conn_mark_dirty(c);
	daemon_settle(c->daemon);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->channel != NULL && c->channel->ssl != NULL && !c->is_held)
		conn_receive(c);
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
		conn_descriptors_allow(c, false);
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
	tcp_options_set(fd, NULL);
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
	server_forget_repeat(&c->daemon->server, c);
	line_leave(c);
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
	busy_poll_remove(c);
	output_fini(&c->out);
	peer_fini(&c->peer);
	if (c->channel != NULL)
		free_channel(c);
	else
		close(c->fd);
	free(c->in);
	free(c);
}
