/* SPDX-License-Identifier: MIT */
#include "daemon/net/line.h"

#include "common/clock.h"

/* If there is no memory for the event and no connection waits, this turn ends
 * here.  The next message begins another turn. */
static void ask_for_turn(struct conns *all)
{
	const struct timeval now = { 0 };

	if (event_add(&all->line_turn, &now) != 0 &&
	    TAILQ_EMPTY(&all->in_line))
		all->line_until_ns = 0;
}

bool line_lets_pass(struct conns *all, const struct conn *c)
{
	uint64_t now_ns = clock_now_ns();

	if (c->peer.is_remote)
		return true;
	if (all->line_until_ns == 0) {
		all->line_until_ns = now_ns + LINE_TURN_NS;
		ask_for_turn(all);
	}
	return now_ns < all->line_until_ns;
}

void line_join(struct conn *c)
{
	ASSERT(!c->is_in_line);
	c->all->stats->messages_delayed++;
	c->is_in_line = true;
	TAILQ_INSERT_TAIL(&c->all->in_line, c, line_link);
}

bool line_begin_turn(struct conns *all)
{
	bool is_empty = TAILQ_EMPTY(&all->in_line);

	all->line_until_ns = is_empty ? 0 : clock_now_ns() + LINE_TURN_NS;
	if (!is_empty)
		ask_for_turn(all);
	return !is_empty;
}

struct conn *line_next(struct conns *all)
{
	struct conn *c = TAILQ_FIRST(&all->in_line);

	if (c == NULL || clock_now_ns() >= all->line_until_ns)
		return NULL;
	TAILQ_REMOVE(&all->in_line, c, line_link);
	c->is_in_line = false;
	return c;
}
