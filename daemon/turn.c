/* SPDX-License-Identifier: MIT */
#include "daemon/turn.h"

#include "common/clock.h"
#include "daemon/lend/guest_schedule.h"
#include "daemon/parts.h"
#include "daemon/serve/mailbox_requests.h"
#include <errno.h>

static void turn_send_queued(struct daemon *d)
{
	guest_schedule_step(&d->guests);
	engine_settle(&d->engine);
	spoil_wake(&d->serve.spoil);
	readies_send(&d->serve.readies);
	server_flush(&d->server);
}

void turn_settle(struct daemon *d)
{
	if (!LIST_EMPTY(&d->serve.mailboxes.awake))
		(void)mailboxes_poll(&d->serve);
	turn_send_queued(d);
	if (!deferred_is_empty(&d->deferred) || d->is_stopping)
		turn_ask(d);
}

/* A segment whose data file a client keeps locked cannot be taken down, and is
 * not waited for: pager_retry_refused() tries those once more, and returns how
 * many they are. */
static void end_if_idle(struct daemon *d)
{
	bool is_empty = d->serve.sessions.count == 0 &&
			d->serve.segments.dying_count ==
				pager_retry_refused(d->engine.pager) &&
			engine_is_idle(&d->engine);

	if (is_empty || d->is_hurried || clock_now_ns() >= d->stop_by_ns)
		(void)event_base_loopbreak(d->base);
}

static void bury(void *arg)
{
	struct daemon *d = arg;

	(void)server_bury(&d->server);
	if (!TAILQ_EMPTY(&d->server.conns.list[CONN_DEAD]))
		defer(&d->deferred, &d->bury);
}

static void turn_run(struct daemon *d)
{
	const struct timeval at_once = { 0 };

	deferred_run(&d->deferred);
	turn_send_queued(d);
	/* With event_active() the next turn would come before anything else,
	 * even before a look at the sockets. */
	if (!deferred_is_empty(&d->deferred))
		(void)event_add(&d->turn, &at_once);
	if (d->is_stopping)
		end_if_idle(d);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	turn_run(arg);
}

void turn_init_work(struct daemon *d)
{
	deferred_init(&d->deferred);
	d->bury = (struct deferred_work){ .run = bury, .ctx = d };
}

int turn_init(struct daemon *d)
{
	if (event_assign(&d->turn, d->base, -1, 0, on_turn, d) != 0)
		return -EINVAL;
	(void)event_priority_set(&d->turn, PRIORITY_PAGING);
	return 0;
}

void turn_ask(struct daemon *d)
{
	event_active(&d->turn, EV_TIMEOUT, 0);
}
