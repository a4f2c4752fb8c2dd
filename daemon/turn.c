/* SPDX-License-Identifier: MIT */
#include "daemon/turn.h"

#include "common/clock.h"
#include "daemon/lend/guest_schedule.h"
#include "daemon/parts.h"
#include "daemon/serve/mailbox_requests.h"
#include <errno.h>

static bool needs_turn(const struct daemon *d)
{
	return d->is_stopping ||
	       !TAILQ_EMPTY(&d->server.conns.list[CONN_DEAD]) ||
	       !TAILQ_EMPTY(&d->serve.ages.queued) ||
	       !TAILQ_EMPTY(&d->serve.accounts.unused) ||
	       !TAILQ_EMPTY(&d->serve.pins.orphans) ||
	       backing_has_spoiled(d->engine.backing) ||
	       evictor_is_due(&d->serve.evictor) ||
	       d->serve.replays.is_due || d->serve.map_waits.is_due ||
	       guest_schedule_has_work(&d->guests) ||
	       trace_is_behind(&d->serve.trace);
}

void turn_settle(struct daemon *d)
{
	if (!LIST_EMPTY(&d->serve.mailboxes.awake))
		(void)mailboxes_poll(&d->serve);
	guest_schedule_step(&d->guests);
	engine_settle(&d->engine);
	readies_send(&d->serve.readies);
	server_flush(&d->server);
	if (needs_turn(d))
		event_active(&d->turn, EV_TIMEOUT, 0);
}

/* Segments whose data files are kept locked will not go, and are not waited
 * for. */
static void end_if_idle(struct daemon *d)
{
	bool is_empty = d->serve.sessions.count == 0 &&
			d->serve.segments.dying_count ==
				pager_retry_teardown(d->engine.pager) &&
			engine_is_idle(&d->engine);

	if (is_empty || d->is_hurried || clock_now_ns() >= d->stop_by_ns)
		(void)event_base_loopbreak(d->base);
}

/* Is there more to do than one turn does? */
static bool needs_another_turn(const struct daemon *d)
{
	return !TAILQ_EMPTY(&d->server.conns.list[CONN_DEAD]) ||
	       d->serve.map_waits.is_due ||
	       guest_schedule_has_work(&d->guests);
}

static void turn_run(struct daemon *d)
{
	const struct timeval at_once = { 0 };

	spoil_take(&d->serve.spoil);
	(void)server_bury(&d->server);
	pins_release(&d->serve.pins);
	map_waits_step(&d->serve.map_waits);
	evictor_step(&d->serve.evictor);
	replay_step(&d->serve.replays);
	guest_schedule_step(&d->guests);
	ages_send(&d->serve.ages);
	trace_send(&d->serve.trace);
	accounts_sweep(&d->serve.accounts);
	engine_settle(&d->engine);
	readies_send(&d->serve.readies);
	server_flush(&d->server);
	/* With event_active() nothing else would come between two turns, not
	 * even a look at the sockets. */
	if (needs_another_turn(d))
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
