/* SPDX-License-Identifier: MIT */
#include "daemon/net/busy_poll.h"

#include "common/clock.h"
#include "daemon/net/conn.h"
#include "daemon/net/conn_input.h"
#include "daemon/daemon.h"

void busy_poll_init(struct busy_poll *bp)
{
	TAILQ_INIT(&bp->conns);
	bp->count = 0;
}

void busy_poll_add(struct conn *c)
{
	struct busy_poll *bp = &c->daemon->busy_poll;

	if (c->daemon->config.busy_poll == 0)
		return;
	c->read_ns = clock_now_ns();
	if (c->is_busy_polled)
		return;
	c->is_busy_polled = true;
	TAILQ_INSERT_TAIL(&bp->conns, c, busy_poll_link);
	bp->count++;
}

void busy_poll_remove(struct conn *c)
{
	struct busy_poll *bp = &c->daemon->busy_poll;

	if (!c->is_busy_polled)
		return;
	c->is_busy_polled = false;
	TAILQ_REMOVE(&bp->conns, c, busy_poll_link);
	bp->count--;
}

bool busy_poll_can_look(const struct busy_poll *bp)
{
	return bp->count > 0 && bp->count <= BUSY_POLL_MAX;
}

bool busy_poll_look(struct daemon *d)
{
	struct busy_poll *bp = &d->busy_poll;
	uint64_t before = d->stats.bytes_in;
	struct conn *c = TAILQ_FIRST(&bp->conns);

	ASSERT(c != NULL);
	TAILQ_REMOVE(&bp->conns, c, busy_poll_link);
	TAILQ_INSERT_TAIL(&bp->conns, c, busy_poll_link);
	if (c->state == CONN_DEAD || c->is_held)
		return false;
	conn_receive(c);
	if (d->stats.bytes_in == before)
		return false;
	d->stats.remote_looks++;
	return true;
}

void busy_poll_doze(struct daemon *d, uint64_t now_ns)
{
	uint64_t idle_ns = d->config.busy_poll * 1000;
	struct conn *c = TAILQ_FIRST(&d->busy_poll.conns);

	while (c != NULL) {
		struct conn *next = TAILQ_NEXT(c, busy_poll_link);

		if (c->read_ns + idle_ns < now_ns)
			busy_poll_remove(c);
		c = next;
	}
}
