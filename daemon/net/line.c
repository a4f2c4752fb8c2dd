/* SPDX-License-Identifier: MIT */
#include "daemon/net/line.h"

#include "common/clock.h"
#include "daemon/daemon.h"
#include "daemon/net/conn_input.h"
#include <errno.h>

#define LINE_TURN_NS	UINT64_C(10000)

static void next_turn(struct line *line)
{
	const struct timeval now = { 0 };

	(void)event_add(&line->turn, &now);
}

void line_leave(struct conn *c)
{
	if (c->is_in_line)
		TAILQ_REMOVE(&c->daemon->server.line.waiting, c, line_link);
	c->is_in_line = false;
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct line *line = &d->server.line;
	struct conn *c;

	(void)fd;
	(void)what;
	line->until_ns = TAILQ_EMPTY(&line->waiting) ? 0 :
			 clock_now_ns() + LINE_TURN_NS;
	while ((c = TAILQ_FIRST(&line->waiting)) != NULL) {
		line_leave(c);
		conn_release(c);
		if (clock_now_ns() >= line->until_ns)
			break;
	}
	if (line->until_ns == 0)
		return;
	next_turn(line);
	daemon_settle(d);
}

int line_init(struct line *line, struct daemon *d)
{
	*line = (struct line){ 0 };
	TAILQ_INIT(&line->waiting);
	if (event_assign(&line->turn, d->base, -1, 0, on_turn, d) != 0)
		return -EINVAL;
	(void)event_priority_set(&line->turn, PRIORITY_PAGING);
	return 0;
}

bool line_lets_pass(struct conn *c)
{
	struct line *line = &c->daemon->server.line;
	uint64_t now_ns = clock_now_ns();

	if (c->peer.is_remote)
		return true;
	if (line->until_ns == 0) {
		line->until_ns = now_ns + LINE_TURN_NS;
		next_turn(line);
	}
	if (now_ns < line->until_ns)
		return true;
	ASSERT(!c->is_in_line);
	c->daemon->stats.messages_delayed++;
	conn_hold(c);
	c->is_in_line = true;
	TAILQ_INSERT_TAIL(&line->waiting, c, line_link);
	return false;
}
