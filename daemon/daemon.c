/* SPDX-License-Identifier: MIT */
/* Starting, the turn of the loop, the tick, and stopping.
 *
 * Stopping: nobody new is let in, everybody is told and disconnected, segments
 * are taken down; when no I/O is under way any more, or after stop_timeout, or
 * at the second signal, the loop ends. */
#include "daemon/daemon.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/units.h"
#include "daemon/admin/admin_messages.h"
#include "daemon/lend/guest_messages.h"
#include "daemon/net/busy_poll.h"
#include "daemon/net/certificates.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/mailbox_requests.h"
#include "daemon/serve/serve_messages.h"
#include "daemon/admin/limits.h"
#include "daemon/system/notify.h"
#include "daemon/serve/paging.h"
#include "daemon/reload.h"
#include "daemon/net/remote.h"
#include "daemon/serve/session.h"
#include "daemon/lend/guest_schedule.h"
#include "daemon/system/system.h"
#include "daemon/admin/watch.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* Advice and pins waiting, besides faults. */
enum { REQUESTS_WAITING_MAX = 4096 };

/* How long the loop's own descriptors may wait for a spin. */
enum { SPIN_NS = 20000 };

/* At the start, when nobody else waits. */
enum { LOG_PATIENCE_MS = 200 };

/* ---- the loop */

/* Returns false when there is no memory for it. */
static bool add_timer(struct event *event, uint64_t delay_us)
{
	struct timeval delay = {
		.tv_sec = (time_t)(delay_us / 1000000),
		.tv_usec = (suseconds_t)(delay_us % 1000000),
	};

	return event_add(event, &delay) == 0;
}

static bool trace_is_behind(const struct daemon *d)
{
	const struct trace_reader *reader;

	LIST_FOREACH(reader, &d->trace.readers, link)
		if (reader->position < d->trace.end &&
		    !conn_is_clogged(reader->session->main))
			return true;
	return false;
}

static bool needs_turn(const struct daemon *d)
{
	return d->is_stopping ||
	       !TAILQ_EMPTY(&d->server.conns.list[CONN_DEAD]) ||
	       !TAILQ_EMPTY(&d->ages.queued) ||
	       !TAILQ_EMPTY(&d->accounts.unused) ||
	       !TAILQ_EMPTY(&d->pins.orphans) ||
	       backing_has_spoiled(d->engine.backing) ||
	       (d->evictor.is_active && !d->evictor.is_waiting) ||
	       d->replays.is_due || d->map_waits.is_due ||
	       guest_schedule_has_work(&d->guests) ||
	       trace_is_behind(d);
}

void daemon_settle(struct daemon *d)
{
	if (!LIST_EMPTY(&d->mailboxes.awake))
		(void)mailboxes_poll(d);
	guest_schedule_step(d);
	engine_settle(&d->engine);
	readies_send(d);
	server_flush(&d->server);
	if (needs_turn(d))
		event_active(&d->turn, EV_TIMEOUT, 0);
}

/* Segments whose data files are kept locked will not go, and are not waited
 * for. */
static void end_if_idle(struct daemon *d)
{
	bool is_empty = d->sessions.count == 0 &&
			d->segments.dying_count ==
				pager_retry_teardown(d->engine.pager) &&
			engine_is_idle(&d->engine);

	if (is_empty || d->is_hurried || clock_now_ns() >= d->stop_by_ns)
		(void)event_base_loopbreak(d->base);
}

/* Is there more to do than one turn does? */
static bool needs_another_turn(const struct daemon *d)
{
	return !TAILQ_EMPTY(&d->server.conns.list[CONN_DEAD]) ||
	       d->map_waits.is_due ||
	       guest_schedule_has_work(&d->guests);
}

static void turn(struct daemon *d)
{
	watch_spoiled_files(d);
	(void)server_bury(&d->server);
	pins_release(d);
	map_waits_step(d);
	evictor_step(d);
	replay_step(d);
	guest_schedule_step(d);
	ages_send(d);
	trace_send(d);
	accounts_sweep(&d->accounts);
	engine_settle(&d->engine);
	readies_send(d);
	server_flush(&d->server);
	/* With event_active() nothing else would come between two turns, not
	 * even a look at the sockets. */
	if (needs_another_turn(d))
		(void)add_timer(&d->turn, 0);
	if (d->is_stopping)
		end_if_idle(d);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	turn(arg);
}

/* Other hosts are not worth keeping what the loop has to do waiting: then they
 * wait for the loop, too. */
static bool can_look_at_hosts(const struct daemon *d)
{
	return busy_poll_can_look(&d->server.conns) && !d->engine.wants_run &&
	       !event_pending(&d->turn, EV_TIMEOUT, NULL);
}

/* Requests in mailboxes and completions in the ring are seen without a system
 * call, those of a few other hosts with one. */
static bool look_around(struct daemon *d)
{
	bool was_in_flight = d->engine.store->in_flight != 0;
	bool is_busy = mailboxes_poll(d) != 0;

	/* What was asked for is on its way before the next look. */
	if (is_busy)
		daemon_settle(d);
	if (can_look_at_hosts(d) && busy_poll_look(&d->server.conns)) {
		daemon_settle(d);
		is_busy = true;
	}
	/* Nothing can be back that has only just gone. */
	if (!was_in_flight)
		return is_busy && d->engine.store->in_flight == 0;
	if (engine_reap(&d->engine) != 0) {
		replays_wake(&d->replays);
		daemon_settle(d);
		is_busy = true;
	}
	return is_busy;
}

/* Or is there nothing but what the loop sees? */
static bool can_look_around(const struct daemon *d)
{
	return !LIST_EMPTY(&d->mailboxes.awake) || can_look_at_hosts(d) ||
	       d->engine.store->in_flight != 0;
}

/* Look again instead of sleeping, for busy_poll after there was something; now
 * and then let the loop look at its sockets. */
static void spin(struct daemon *d)
{
	uint64_t start_ns = clock_now_ns(), now_ns;

	do {
		if (!look_around(d))
			sched_yield();
		now_ns = clock_now_ns();
	} while (now_ns < d->awake.until_ns && now_ns < start_ns + SPIN_NS &&
		 can_look_around(d));
	mailboxes_doze(d, now_ns);
	busy_poll_doze(&d->server.conns, now_ns);
	if (now_ns < d->awake.until_ns || !mailboxes_sleep(d))
		awake_look_again(&d->awake);
}

static void on_spin(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	d->awake.is_due = false;
	spin(d);
}

/* ---- the tick */

static void describe_use(const struct daemon *d, char *line, size_t size)
{
	struct pager_stats stats;
	char used[16], pool[16];

	pager_stats_get(d->engine.pager, &stats);
	snprintf(line, size, "%u sessions, %u segments, %s of %s in use, "
		 "%.0f faults/s", d->sessions.count, d->segments.count,
		 units_format_size((stats.frame_count - stats.free_frames) *
				   PAGER_UNIT_BYTES, used, sizeof(used)),
		 units_format_size(stats.frame_count * PAGER_UNIT_BYTES, pool,
				   sizeof(pool)), d->stats.faults_per_s);
}

/* `systemctl reload` has only sent a signal, and cannot tell how it went. */
static void tell_status(struct daemon *d)
{
	char line[sizeof(d->status_line)];

	if (d->reload_refused_s != 0)
		snprintf(line, sizeof(line), "The last reload was refused: "
			 "%.200s", d->reload_error);
	else
		describe_use(d, line, sizeof(line));
	if (strcmp(line, d->status_line) == 0)
		return;
	memcpy(d->status_line, line, sizeof(line));
	notify_send("STATUS=%s", line);
}

static void tick(struct daemon *d)
{
	if (atomic_load(&d->must_stop) != 0 && !d->is_stopping)
		daemon_stop(d, "none");
	watch_tick(d);
	/* What they wait for may turn out to be kept by a client. */
	map_waits_wake(&d->map_waits);
	replays_wake(&d->replays);
	if (!d->is_stopping)
		tell_status(d);
	notify_retry();
	if (d->watchdog_us != 0)
		notify_send("WATCHDOG=1");
	daemon_settle(d);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tick(arg);
}

/* ---- stopping */

static void dismiss(struct conn_list *list)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		conn_refuse(c, 0, -ESHUTDOWN, "memd is stopping");
	}
}

static void unlink_all(struct daemon *d)
{
	struct segment *segment, *next;

	for (segment = TAILQ_FIRST(&d->segments.all); segment != NULL;
	     segment = next) {
		next = TAILQ_NEXT(segment, link);
		segments_unlink(&d->segments, segment);
	}
}

void daemon_stop(struct daemon *d, const char *why)
{
	if (d->is_stopping) {
		log_event(LOG_LEVEL_NOTICE, "stop-hurried", "signal=%s", why);
		d->is_hurried = true;
		daemon_settle(d);
		return;
	}
	log_event(LOG_LEVEL_NOTICE, "stopping",
		  "signal=%s sessions=%u segments=%u", why,
		  d->sessions.count, d->segments.count);
	notify_send_surely("STOPPING=1\nSTATUS=Stopping");
	d->is_stopping = true;
	keeper_release_pins(&d->keeper);
	d->stop_by_ns = clock_now_ns() + d->config.stop_timeout * 1000000;
	tcp_opening_end(&d->tcp_opening);
	server_stop_listening(&d->server);
	dismiss(&d->server.conns.list[CONN_NEW]);
	dismiss(&d->server.conns.list[CONN_LANE]);
	dismiss(&d->server.conns.list[CONN_MAIN]);
	guests_end(&d->guests);
	unlink_all(d);
	daemon_settle(d);
}

static void on_term(evutil_socket_t number, short what, void *arg)
{
	(void)what;
	daemon_stop(arg, number == SIGINT ? "SIGINT" : "SIGTERM");
}

static void on_hup(evutil_socket_t number, short what, void *arg)
{
	struct daemon *d = arg;

	(void)number;
	(void)what;
	if (!d->is_stopping)
		reload_config(d);
	daemon_settle(d);
}

/* ---- hooks of the engine */

static bool hook_install(void *ctx, uint64_t cookie, const void *bytes,
			 size_t length)
{
	return paging_install(ctx, cookie, bytes, length);
}

static void hook_reply(void *ctx, const struct pager_reply *reply)
{
	paging_reply(ctx, reply);
}

static void hook_ready(void *ctx, uint32_t client, segment_id segment,
		       uint64_t first, uint64_t count, uint64_t mark)
{
	paging_ready(ctx, client, segment, first, count, mark);
}

static void hook_age(void *ctx, segment_id segment, uint64_t first,
		     uint64_t count)
{
	paging_age(ctx, segment, first, count);
}

static void hook_done(void *ctx, uint64_t cookie, int result, uint64_t count)
{
	paging_done(ctx, cookie, result, count);
}

static void hook_segment_gone(void *ctx, segment_id segment)
{
	struct daemon *d = ctx;

	segments_gone(&d->segments, segment);
	guest_room_freed(&d->guests, segment);
	map_waits_wake(&d->map_waits);
}

static void hook_settle(void *ctx)
{
	struct daemon *d = ctx;

	replays_wake(&d->replays);
	daemon_settle(d);
}

/* SIGTERM or SIGINT before there is a loop to tell. */
static volatile sig_atomic_t stop_signal;

static void note_stop(int number)
{
	stop_signal = number;
}

static bool hook_is_cancelled(void *ctx)
{
	struct daemon *d = ctx;

	return d->is_embedded ? atomic_load(&d->must_stop) != 0 :
				stop_signal != 0;
}

static const struct engine_hooks hooks = {
	.install = hook_install,
	.reply = hook_reply,
	.ready = hook_ready,
	.age = hook_age,
	.done = hook_done,
	.segment_gone = hook_segment_gone,
	.is_cancelled = hook_is_cancelled,
	.settle = hook_settle,
};

/* ---- starting */

static int make_base(struct daemon *d)
{
	d->base = event_base_new();
	if (d->base == NULL)
		return -ENOMEM;
	d->server.conns.base = d->base;
	return event_base_priority_init(d->base, PRIORITIES) != 0 ? -ENOMEM :
								    0;
}

/* A program's signals are its own. */
static bool is_wanted(const struct daemon *d, short what)
{
	return !d->is_embedded || (what & EV_SIGNAL) == 0;
}

static int make_events(struct daemon *d)
{
	struct {
		struct event *event;
		int number;
		short what;
		event_callback_fn callback;
		int priority;
	} const rows[] = {
		{ &d->turn, -1, 0, on_turn, PRIORITY_PAGING },
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
		if (!is_wanted(d, rows[i].what))
			continue;
		if (event_assign(rows[i].event, d->base, rows[i].number,
				 rows[i].what, rows[i].callback, d) != 0)
			return -EINVAL;
		(void)event_priority_set(rows[i].event, rows[i].priority);
	}
	return 0;
}

/* From now on the loop hears of them. */
static int catch_signals(struct daemon *d)
{
	struct event *const events[] = { &d->on_term, &d->on_int, &d->on_hup };

	for (size_t i = 0; !d->is_embedded && i < ARRAY_SIZE(events); i++)
		if (event_add(events[i], NULL) != 0)
			return -ENOMEM;
	return hook_is_cancelled(d) ? -ECANCELED : 0;
}

/* While it starts memd ends at once, but for the swap file, which takes long
 * to make and must not be left half made.  To reload is too early. */
static void await_signals(const struct daemon *d)
{
	struct sigaction hold = { .sa_handler = SIG_IGN };

	if (d->is_embedded)
		return;
	(void)sigaction(SIGHUP, &hold, NULL);
	if (strcmp(d->config.store, "remote") == 0)
		return;
	hold.sa_handler = note_stop;
	(void)sigaction(SIGTERM, &hold, NULL);
	(void)sigaction(SIGINT, &hold, NULL);
}

static void start_tick(struct daemon *d)
{
	uint64_t period_us = 1000000;

	/* 0: no watchdog asked for; errors are as good as that. */
	if (d->is_embedded || sd_watchdog_enabled(0, &d->watchdog_us) <= 0)
		d->watchdog_us = 0;
	if (d->watchdog_us != 0)
		period_us = MAX(MIN(period_us, d->watchdog_us / 3), 1000u);
	(void)add_timer(&d->tick, period_us);
}

/* Everything that has no name in the outside world. */
static int start_inside(struct daemon *d, char *reason, size_t size)
{
	int err = make_base(d);

	if (err == 0)
		err = make_events(d);
	if (err == 0)
		err = pending_init(&d->pending,
				   (uint32_t)d->config.max_faults +
				   REQUESTS_WAITING_MAX);
	if (err != 0) {
		snprintf(reason, size, "event loop: %s", strerror(-err));
		return err;
	}
	renewal_init(&d->renewal, &d->config);
	await_signals(d);
	err = engine_init(&d->engine, &d->config, d->is_embedded,
			  accounts_most(&d->config), &hooks, d, reason, size);
	if (err != 0)
		return err;
	err = catch_signals(d);
	if (err != 0) {
		snprintf(reason, size, "%s", strerror(-err));
		return err;
	}
	store_watch_init(&d->store_watch, d->engine.store);
	accounts_init(&d->accounts, d->engine.pager, &d->config);
	err = segments_init(&d->segments, &d->engine, &d->accounts,
			    &d->config);
	if (err == 0)
		err = engine_watch(&d->engine, d->base, PRIORITY_PAGING,
				   PRIORITY_BACKGROUND);
	if (err != 0)
		snprintf(reason, size, "cannot start: %s", strerror(-err));
	return err;
}

/* With fewer it could start, and then let nobody in. */
static int check_descriptors(const struct daemon *d, char *reason, size_t size)
{
	char text[CHECK_TEXT_BYTES];

	if (d->is_embedded ||
	    limits_check_descriptors(&d->config, text) != ANSWER_FAIL)
		return 0;
	snprintf(reason, size, "%s", text);
	return -EMFILE;
}

static void conns_settle(void *ctx)
{
	struct daemon *d = ctx;

	/* An embedded one is told by a knock at its socket. */
	if (atomic_load(&d->must_stop) != 0 && !d->is_stopping)
		daemon_stop(d, "none");
	daemon_settle(d);
}

static void conns_ask_for_turn(void *ctx)
{
	struct daemon *d = ctx;

	(void)event_active(&d->turn, EV_TIMEOUT, 0);
}

static bool conns_let_go(void *ctx, struct conn *c, unsigned *budget)
{
	(void)ctx;
	return session_let_go(c, budget);
}

static void conns_drained(void *ctx, struct conn *c)
{
	(void)ctx;
	guest_schedule_drained(c->session);
}

static uint64_t conns_descriptors(const void *ctx)
{
	const struct daemon *d = ctx;

	return d->segments.count + d->segments.dying_count +
	       keeper_descriptors(&d->keeper);
}

static const struct conns_ops conns_ops = {
	.settle = conns_settle,
	.ask_for_turn = conns_ask_for_turn,
	.let_go = conns_let_go,
	.drained = conns_drained,
	.descriptors = conns_descriptors,
};

static void init_net(struct daemon *d)
{
	struct conns *all = &d->server.conns;

	server_init(&d->server);
	d->server.is_embedded = d->is_embedded;
	all->config = &d->config;
	all->stats = &d->stats;
	all->ops = &conns_ops;
	all->ctx = d;
	serve_messages_add(all);
	guest_messages_add(all);
	admin_messages_add(all);
	d->admins.config = &d->config;
	d->admins.is_embedded = d->is_embedded;
	d->awake.config = &d->config;
	sessions_init(&d->sessions);
}

static int start(struct daemon *d, char *reason, size_t size)
{
	int err;

	pins_init(&d->pins);
	guests_init(&d->guests, d);
	ages_init(&d->ages);
	replays_init(&d->replays);
	map_waits_init(&d->map_waits);
	readies_init(&d->readies);
	trace_init(&d->trace, d->config.trace_events);
	init_net(d);
	system_random(&d->instance, sizeof(d->instance));
	d->started_ns = d->watched_ns = clock_now_ns();
	reload_apply(d);
	reload_warn_environment(d);
	err = mailboxes_init(&d->mailboxes, !d->is_embedded);
	if (err != 0)
		snprintf(reason, size, "mailboxes: %s", strerror(-err));
	if (err == 0)
		err = check_descriptors(d, reason, size);
	if (err == 0)
		err = start_inside(d, reason, size);
	if (err == 0 && !d->is_embedded) {
		err = keeper_init(&d->keeper, d->base, &d->accounts,
				  &d->pins);
		if (err != 0)
			snprintf(reason, size, "cannot start the process that "
				 "keeps clients' userfaultfds "
				 "(/proc/self/exe): %s", strerror(-err));
	}
	if (err == 0)
		err = server_listen(&d->server, reason, size);
	if (err == 0)
		err = tcp_opening_begin(&d->tcp_opening, &d->server, reason,
					size);
	if (err == 0) {
		certificates_log(daemon_tls(d));
		d->certificates_said_ns = clock_now_ns();
		start_tick(d);
	}
	return err;
}

static void warn_copies(const char *path)
{
	char text[2 * CONFIG_TEXT_BYTES];

	swapfile_warn_copies(path, text, sizeof(text));
	if (text[0] != '\0')
		log_event(LOG_LEVEL_WARNING, "swap-copied", "reason=\"%s\"",
			  text);
}

static void tell_started(const struct daemon *d)
{
	char pool[16], swap[16];

	log_event(LOG_LEVEL_NOTICE, "started",
		  "version=%s pid=%d socket=%s pool=%s swap=%s store=%s "
		  "config=%s", MEMD_VERSION, getpid(),
		  d->server.is_activated ? "systemd" : d->config.socket,
		  units_format_size(d->config.pool_size, pool, sizeof(pool)),
		  units_format_size(d->config.swap_size, swap, sizeof(swap)),
		  d->engine.store->ops->name,
		  d->config.file[0] != '\0' ? d->config.file : "none");
	if (d->engine.store_reason[0] != '\0')
		log_event(LOG_LEVEL_WARNING, "store-fallback",
			  "store=%s reason=\"%s\"", d->engine.store->ops->name,
			  d->engine.store_reason);
	if (d->engine.has_swapfile && !d->engine.swapfile.is_direct)
		log_event(LOG_LEVEL_WARNING, "swap-not-direct",
			  "file=%s reason=\"its file system has no O_DIRECT\"",
			  d->engine.swap_path);
	if (d->engine.has_swapfile)
		warn_copies(d->engine.swap_path);
	/* Who waits for that may look at the log next. */
	log_writer_flush(LOG_PATIENCE_MS);
	notify_send_surely("READY=1\nSTATUS=Ready");
}

/* After the loop: nobody is served any more. */
static void take_down(struct daemon *d)
{
	tcp_opening_end(&d->tcp_opening);
	server_stop_listening(&d->server);
	/* Hurried, some may be left. */
	while (server_bury(&d->server))
		;
	guests_fini(&d->guests);
	map_waits_fini(&d->map_waits);
	trace_fini(&d->trace);
	replays_fini(&d->replays);
	keeper_fini(&d->keeper);
	if (d->engine.pager != NULL && d->segments.dying_count == 0) {
		accounts_sweep(&d->accounts);
		accounts_fini(&d->accounts);
	} else if (d->engine.pager != NULL) {
		accounts_abandon(&d->accounts);
	}
	segments_fini(&d->segments);
	engine_fini(&d->engine);
	pending_fini(&d->pending);
	mailboxes_fini(&d->mailboxes);
	if (d->base != NULL)
		event_base_free(d->base);
}

int daemon_create(const struct config_origin *origin,
		  const struct config *config,
		  const struct memd_engine_program *program,
		  struct daemon **ret_daemon, char *ret_reason,
		  size_t reason_size)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int err;

	if (d == NULL) {
		snprintf(ret_reason, reason_size, "out of memory");
		return -ENOMEM;
	}
	d->config = d->waiting = *config;
	d->origin = origin;
	d->is_embedded = program != NULL;
	if (program != NULL)
		d->program = *program;
	err = start(d, ret_reason, reason_size);
	if (err != 0) {
		if (d->engine.is_refused_by_kernel)
			err = -ENOSYS;
		daemon_destroy(d);
		return err;
	}
	*ret_daemon = d;
	return 0;
}

int daemon_serve(struct daemon *d)
{
	if (event_base_dispatch(d->base) >= 0)
		return 0;
	log_event(LOG_LEVEL_ERROR, "loop-failed", "error=\"%s\"",
		  strerror(errno));
	return -EIO;
}

void daemon_destroy(struct daemon *d)
{
	take_down(d);
	free(d);
}

static void prepare_process(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGPIPE, &ignore, NULL);
	/* In the background of a terminal with `stty tostop` a line of the log
	 * would stop memd. */
	(void)sigaction(SIGTTOU, &ignore, NULL);
	umask(0077);
	system_raise_limits();
}

static void start_log(void)
{
	int err = log_writer_start();

	if (err != 0)
		log_event(LOG_LEVEL_WARNING, "log-waits", "reason=\"no thread "
			  "for the log: %s; programs wait when the log is not "
			  "read\"", strerror(-err));
}

int daemon_run(const struct config_origin *origin, const struct config *config)
{
	char reason[CONFIG_REASON_BYTES];
	uint64_t started_ns;
	struct daemon *d;
	int err;

	prepare_process();
	start_log();
	notify_init();
	err = daemon_create(origin, config, NULL, &d, reason, sizeof(reason));
	if (err == -ECANCELED) {
		log_event(LOG_LEVEL_NOTICE, "stopped", "signal=%s reason=\"%s"
			  "\"", stop_signal == SIGINT ? "SIGINT" : "SIGTERM",
			  reason);
		log_writer_stop();
		return EXIT_SUCCESS;
	}
	if (err != 0) {
		log_event(LOG_LEVEL_ERROR, "start-failed", "reason=\"%s\"",
			  reason);
		log_writer_stop();
		return err == -ENOSYS ? EXIT_KERNEL_REFUSES : EXIT_FAILURE;
	}
	tell_started(d);
	started_ns = d->started_ns;
	err = daemon_serve(d);
	log_event(LOG_LEVEL_NOTICE, "stopped", "uptime_s=%llu",
		  (unsigned long long)((clock_now_ns() - started_ns) /
				       1000000000));
	daemon_destroy(d);
	log_writer_stop();
	return err != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
