/* SPDX-License-Identifier: MIT */
#include "daemon/busy_poll.h"

#include "common/clock.h"
#include "daemon/conn.h"
#include "daemon/conn_input.h"
#include "daemon/daemon.h"

/* One that read once does not cost a look ever after. */
#define IDLE_NS	UINT64_C(1000000)

void busy_poll_init(struct busy_poll *bp)
{
	*bp = (struct busy_poll){ .conns = LIST_HEAD_INITIALIZER(bp->conns) };
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
	LIST_INSERT_HEAD(&bp->conns, c, busy_poll_link);
	bp->count++;
}

void busy_poll_remove(struct conn *c)
{
	if (!c->is_busy_polled)
		return;
	c->is_busy_polled = false;
	LIST_REMOVE(c, busy_poll_link);
	c->daemon->busy_poll.count--;
}

bool busy_poll_can_look(const struct busy_poll *bp)
{
	return bp->count > 0 && bp->count <= BUSY_POLL_MAX;
}

bool busy_poll_look(struct daemon *d)
{
	uint64_t before = d->stats.bytes_in;
	struct conn *c;

	if (!busy_poll_can_look(&d->busy_poll))
		return false;
	/* Nothing below takes one off the list: who is closed stays until the
	 * turn. */
	LIST_FOREACH(c, &d->busy_poll.conns, busy_poll_link)
		if (c->state != CONN_DEAD && !c->is_held)
			conn_receive(c);
	return d->stats.bytes_in != before;
}

void busy_poll_doze(struct busy_poll *bp, uint64_t now_ns)
{
	struct conn *c = LIST_FIRST(&bp->conns);

	while (c != NULL) {
		struct conn *next = LIST_NEXT(c, busy_poll_link);

		if (c->read_ns + IDLE_NS < now_ns)
			busy_poll_remove(c);
		c = next;
	}
}
