/* SPDX-License-Identifier: MIT */
/* The states of a connection, and its end. */
#include "daemon/net/conn.h"

#include <stdarg.h>
#include <unistd.h>

void conns_init(struct conns *all)
{
	for (size_t i = 0; i < CONN_STATES; i++)
		TAILQ_INIT(&all->list[i]);
	TAILQ_INIT(&all->dirty);
	TAILQ_INIT(&all->repeating);
	TAILQ_INIT(&all->in_line);
}

static const unsigned conn_next[CONN_STATES] = {
	[CONN_NEW] = BIT(CONN_MAIN) | BIT(CONN_DEAD),
	[CONN_MAIN] = BIT(CONN_DEAD),
};

void conn_enter(struct conn *c, enum conn_state next)
{
	struct conns *all = c->all;

	ASSERT(conn_next[c->state] & BIT(next));
	TAILQ_REMOVE(&all->list[c->state], c, link);
	all->count[c->state]--;
	if (c->state == CONN_NEW && c->peer.is_remote)
		all->remote_newcomers--;
	if (next == CONN_DEAD && c->peer.is_remote)
		addresses_remove(&all->addresses, c->peer.network);
	c->state = next;
	TAILQ_INSERT_TAIL(&all->list[next], c, link);
	all->count[next]++;
	if (next != CONN_DEAD)
		c->since_ns = 0;
}

bool conn_is_shaking_hands(const struct conn *c)
{
	return c->channel != NULL && c->channel->state == CHANNEL_HANDSHAKE;
}

size_t conn_backlog(const struct conn *c)
{
	return output_length(&c->out);
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
	if (c->is_repeating)
		TAILQ_REMOVE(&c->all->repeating, c, repeat_link);
	c->is_repeating = false;
	if (c->is_in_line)
		TAILQ_REMOVE(&c->all->in_line, c, line_link);
	c->is_in_line = false;
	conn_enter(c, CONN_DEAD);
	c->all->ops->ask_for_turn(c->all->ctx);
}

void conn_destroy(struct conn *c)
{
	struct conns *all = c->all;

	ASSERT(c->state == CONN_DEAD && LIST_EMPTY(&c->pending) &&
	       LIST_EMPTY(&c->faults));
	TAILQ_REMOVE(&all->list[CONN_DEAD], c, link);
	all->count[CONN_DEAD]--;
	if (c->is_dirty)
		TAILQ_REMOVE(&all->dirty, c, dirty_link);
	output_fini(&c->out);
	peer_fini(&c->peer);
	if (c->channel != NULL)
		channel_close(c->channel);
	else
		close(c->fd);
	free(c->channel);
	free(c->in);
	free(c);
}
