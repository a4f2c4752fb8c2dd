/* SPDX-License-Identifier: MIT */
/* New connections, and the two events of a connection. */
#include "daemon/net/conn_open.h"

#include "common/clock.h"
#include "daemon/net/conn_descriptors.h"
#include "daemon/net/conn_input.h"
#include "daemon/net/conn_output.h"
#include "proto/tcp_options.h"
#include <errno.h>
#include <unistd.h>

/* ---- events */

/* With TLS, reading may need to write first, and writing may need to read
 * first. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	conn_receive(c);
	if (c->channel != NULL && c->state != CONN_DEAD && conn_backlog(c) > 0)
		conn_mark_dirty(c);
	c->all->ops->settle(c->all->ctx);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->channel != NULL && c->channel->ssl != NULL && !c->is_held)
		conn_receive(c);
	conn_flush(c);
	c->all->ops->settle(c->all->ctx);
}

/* ---- new connections */

static struct conn *allocate(struct conns *all, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->all = all;
	c->fd = fd;
	c->state = CONN_NEW;
	c->since_ns = clock_now_ns();
	output_init(&c->out);
	LIST_INIT(&c->pending);
	LIST_INIT(&c->faults);
	return c;
}

static int start_reading(struct conn *c)
{
	struct conns *all = c->all;

	if (event_assign(&c->readable, all->base, c->fd, EV_READ | EV_PERSIST,
			 on_readable, c) != 0 ||
	    event_assign(&c->writable, all->base, c->fd, EV_WRITE, on_writable,
			 c) != 0)
		return -ENOMEM;
	(void)event_priority_set(&c->readable, PRIORITY_ADMIN);
	(void)event_priority_set(&c->writable, PRIORITY_ADMIN);
	if (c->peer.is_remote &&
	    addresses_add(&all->addresses, c->peer.network) != 0)
		return -ENOMEM;
	if (event_add(&c->readable, NULL) != 0) {
		if (c->peer.is_remote)
			addresses_remove(&all->addresses,
					 c->peer.network);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&all->list[CONN_NEW], c, link);
	all->count[CONN_NEW]++;
	if (c->peer.is_remote)
		all->remote_newcomers++;
	return 0;
}

int conn_create(struct conns *all, int fd)
{
	struct conn *c = allocate(all, fd);
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

int conn_create_remote(struct conns *all, int fd,
		       struct channel_context *context,
		       const struct peer *peer)
{
	struct conn *c = allocate(all, fd);
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
		channel_close(channel);
		free(channel);
		free(c);
		return err;
	}
	return 0;
}
