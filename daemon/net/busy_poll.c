/* SPDX-License-Identifier: MIT */
#include "daemon/net/busy_poll.h"

#include "common/clock.h"
#include "daemon/net/conn_input.h"

void busy_poll_add(struct conn *c)
{
	struct conns *all = c->all;

	if (all->config->busy_poll == 0)
		return;
	c->read_ns = clock_now_ns();
	if (c->is_busy_polled)
		return;
	c->is_busy_polled = true;
	TAILQ_INSERT_TAIL(&all->polled, c, busy_poll_link);
	all->polled_count++;
}

bool busy_poll_can_look(const struct conns *all)
{
	return all->polled_count > 0 && all->polled_count <= BUSY_POLL_MAX;
}

bool busy_poll_look(struct conns *all)
{
	uint64_t before = all->stats->bytes_in;
	struct conn *c = TAILQ_FIRST(&all->polled);

	ASSERT(c != NULL);
	TAILQ_REMOVE(&all->polled, c, busy_poll_link);
	TAILQ_INSERT_TAIL(&all->polled, c, busy_poll_link);
	if (c->state == CONN_DEAD || c->is_held)
		return false;
	conn_receive(c);
	if (all->stats->bytes_in == before)
		return false;
	all->stats->remote_looks++;
	return true;
}

void busy_poll_doze(struct conns *all, uint64_t now_ns)
{
	uint64_t idle_ns = all->config->busy_poll * 1000;
	struct conn *c = TAILQ_FIRST(&all->polled);

	while (c != NULL) {
		struct conn *next = TAILQ_NEXT(c, busy_poll_link);

		if (c->read_ns + idle_ns < now_ns) {
			c->is_busy_polled = false;
			TAILQ_REMOVE(&all->polled, c, busy_poll_link);
			all->polled_count--;
		}
		c = next;
	}
}
