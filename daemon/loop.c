/* SPDX-License-Identifier: MIT */
/* Spinning before sleeping, the tick, and signals. */
#include "daemon/loop.h"

#include "common/clock.h"
#include "common/units.h"
#include "daemon/parts.h"
#include "daemon/reload.h"
#include "daemon/serve/mailbox_requests.h"
#include "daemon/serve/turn_out.h"
#include "daemon/stop.h"
#include "daemon/system/notify.h"
#include "daemon/turn.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* How long the sockets of the loop may wait for one spin. */
enum { SPIN_NS = 20000 };

/* ---- spinning */

/* Requests in mailboxes and completions in the ring are found without a system
 * call. */
static bool look_around(struct daemon *d)
{
	bool was_in_flight = d->engine.store->in_flight != 0;
	bool is_busy = mailboxes_poll(&d->serve) != 0;

	/* Submit the I/O for these requests before looking further. */
	if (is_busy)
		turn_settle(d);
	/* I/O that was submitted just now cannot be complete yet. */
	if (!was_in_flight)
		return is_busy && d->engine.store->in_flight == 0;
	if (engine_reap(&d->engine) != 0) {
		serve_wake(&d->serve);
		turn_settle(d);
		is_busy = true;
	}
	return is_busy;
}

/* Whether there is work that only spinning finds before the loop does. */
static bool can_look_around(const struct daemon *d)
{
	return !LIST_EMPTY(&d->serve.mailboxes.awake) ||
	       d->engine.store->in_flight != 0;
}

/* Look for work again and again instead of sleeping, until busy_poll after the
 * last work.  Every SPIN_NS let the loop look at its sockets. */
static void loop_spin(struct daemon *d)
{
	uint64_t start_ns = clock_now_ns(), now_ns;

	do {
		if (!look_around(d))
			sched_yield();
		now_ns = clock_now_ns();
	} while (now_ns < d->awake.until_ns && now_ns < start_ns + SPIN_NS &&
		 can_look_around(d));
	mailboxes_doze(&d->serve.mailboxes, now_ns);
	if (now_ns < d->awake.until_ns || !mailboxes_sleep(&d->serve.mailboxes))
		awake_look_again(&d->awake);
}

static void on_spin(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	d->awake.is_due = false;
	loop_spin(d);
}

/* ---- the tick */

static void describe_use(const struct daemon *d, char *line, size_t size)
{
	struct pager_stats stats;
	char used[16], pool[16];

	pager_stats_get(d->engine.pager, &stats);
	snprintf(line, size, "%u sessions, %u segments, %s of %s in use, "
		 "%.0f faults/s", d->serve.sessions.count,
		 d->serve.segments.count,
		 units_format_size((stats.frame_count - stats.free_frames) *
				   PAGER_UNIT_BYTES, used, sizeof(used)),
		 units_format_size(stats.frame_count * PAGER_UNIT_BYTES, pool,
				   sizeof(pool)), d->stats.faults_per_s);
}

/* `systemctl reload` only sends a signal, so the status shows a failed
 * reload. */
static void tell_status(struct daemon *d)
{
	char line[sizeof(d->status_line)];

	if (d->settings.reload_refused_s != 0)
		snprintf(line, sizeof(line), "The last reload was refused: "
			 "%.200s", d->settings.reload_error);
	else
		describe_use(d, line, sizeof(line));
	if (strcmp(line, d->status_line) == 0)
		return;
	memcpy(d->status_line, line, sizeof(line));
	notify_send("STATUS=%s", line);
}

/* Called about once a second. */
static void tick_each_second(struct daemon *d)
{
	if (d->is_embedded && renewal_is_due(&d->renewal, &d->settings.config))
		reload_certificates(d);
	reload_find_admins(d);
	reload_say_certificates(d);
	if (d->serve.sessions.must_look_again)
		sessions_look_again(&d->serve);
	server_close_overdue(&d->server);
	server_trim(&d->server);
	guests_expire(&d->guests);
}

static void loop_tick(struct daemon *d)
{
	if (atomic_load(&d->must_stop) != 0 && !d->is_stopping)
		stop_begin(d, "none");
	if (watch_tick(&d->admin.watch))
		tick_each_second(d);
	serve_tick(&d->serve);
	if (!d->is_stopping)
		tell_status(d);
	notify_retry();
	if (d->watchdog_us != 0)
		notify_send("WATCHDOG=1");
	turn_settle(d);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	loop_tick(arg);
}

/* ---- signals */

static void on_term(evutil_socket_t number, short what, void *arg)
{
	(void)what;
	stop_begin(arg, number == SIGINT ? "SIGINT" : "SIGTERM");
}

static void on_hup(evutil_socket_t number, short what, void *arg)
{
	struct daemon *d = arg;

	(void)number;
	(void)what;
	if (!d->is_stopping)
		reload_config(d);
	turn_settle(d);
}

/* ---- starting */

/* An embedded memd does not handle the program's signals. */
static bool is_event_wanted(const struct daemon *d, short what)
{
	return !d->is_embedded || (what & EV_SIGNAL) == 0;
}

int loop_init(struct daemon *d)
{
	struct {
		struct event *event;
		int number;
		short what;
		event_callback_fn callback;
		int priority;
	} const rows[] = {
		{ &d->awake.look, -1, 0, on_spin, PRIORITY_BACKGROUND },
		{ &d->tick, -1, EV_PERSIST, on_tick, PRIORITY_ADMIN },
		{ &d->on_term, SIGTERM, EV_SIGNAL | EV_PERSIST, on_term,
		  PRIORITY_ADMIN },
		{ &d->on_int, SIGINT, EV_SIGNAL | EV_PERSIST, on_term,
		  PRIORITY_ADMIN },
		{ &d->on_hup, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hup,
		  PRIORITY_ADMIN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!is_event_wanted(d, rows[i].what))
			continue;
		if (event_assign(rows[i].event, d->base, rows[i].number,
				 rows[i].what, rows[i].callback, d) != 0)
			return -EINVAL;
		(void)event_priority_set(rows[i].event, rows[i].priority);
	}
	return 0;
}

int loop_start_tick(struct daemon *d)
{
	uint64_t period_us = 1000000;
	struct timeval period;

	/* 0: no watchdog is wanted; an error means the same. */
	if (d->is_embedded || sd_watchdog_enabled(0, &d->watchdog_us) <= 0)
		d->watchdog_us = 0;
	if (d->watchdog_us != 0)
		period_us = MAX(MIN(period_us, d->watchdog_us / 3), 1000u);
	period.tv_sec = (time_t)(period_us / 1000000);
	period.tv_usec = (suseconds_t)(period_us % 1000000);
	return event_add(&d->tick, &period) != 0 ? -ENOMEM : 0;
}

int loop_catch_signals(struct daemon *d)
{
	struct event *const events[] = { &d->on_term, &d->on_int, &d->on_hup };

	for (size_t i = 0; !d->is_embedded && i < ARRAY_SIZE(events); i++)
		if (event_add(events[i], NULL) != 0)
			return -ENOMEM;
	return 0;
}
