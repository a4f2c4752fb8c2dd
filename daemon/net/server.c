/* SPDX-License-Identifier: MIT */
#include "daemon/net/server.h"

#include "common/clock.h"
#include "daemon/findings/findings.h"
#include "daemon/net/conn_open.h"
#include "daemon/net/conn_output.h"
#include "daemon/system/system.h"
#include <errno.h>

enum { BURIED_PER_TURN = 16 };		/* session_let_go() counts against it,
					 * too */

void server_init(struct server *server)
{
	*server = (struct server){ .lock_fd = -1 };
	conns_init(&server->conns);
	server->descriptor_limit = system_descriptor_limit();
}

bool server_has_descriptors(const struct server *server, uint64_t reserve)
{
	const struct conns *all = &server->conns;
	uint64_t used = DESCRIPTORS_OWN +
			all->ops->descriptors(all->ctx);

	for (size_t i = 0; i < CONN_STATES; i++)
		used += all->count[i];
	return used + reserve < server->descriptor_limit;
}

void server_flush(struct server *server)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&server->conns.dirty)) != NULL) {
		TAILQ_REMOVE(&server->conns.dirty, c, dirty_link);
		c->is_dirty = false;
		conn_flush(c);
	}
}

bool server_bury(struct server *server)
{
	struct conns *all = &server->conns;
	struct conn *c = TAILQ_FIRST(&all->list[CONN_DEAD]);
	unsigned budget = BURIED_PER_TURN;
	bool had_any = c != NULL;

	for (; c != NULL && budget > 0; c = TAILQ_FIRST(&all->list[CONN_DEAD]))
		if (all->ops->let_go(all->ctx, c, &budget))
			conn_destroy(c);
	return had_any;
}

static void close_overdue(struct conn_list *list, uint64_t now_ns,
			  uint64_t timeout_ms, const char *what)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->since_ns == 0 || c->is_in_line ||
		    now_ns - c->since_ns < timeout_ms * 1000000)
			continue;
		c->all->stats->timeouts++;
		conn_refuse(c, 0, -ETIMEDOUT, "%s within %llu ms", what,
			    (unsigned long long)timeout_ms);
	}
}

void server_close_overdue(struct server *server)
{
	const struct config *config = server->conns.config;
	struct conn_list *list = server->conns.list;
	uint64_t now_ns = clock_now_ns();

	close_overdue(&list[CONN_NEW], now_ns, config->handshake_timeout,
		      "did not say Hello");
	close_overdue(&list[CONN_MAIN], now_ns, config->message_timeout,
		      "did not send the rest of a message");
}

void server_trim(struct server *server)
{
	struct conn *c;

	for (size_t i = 0; i < CONN_DEAD; i++)
		TAILQ_FOREACH(c, &server->conns.list[i], link)
			output_trim(&c->out);
}
