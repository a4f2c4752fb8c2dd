/* SPDX-License-Identifier: MIT */
/* Makes all rooms, gives them pointers to each other, and takes them down. */
#include "daemon/start.h"

#include "common/clock.h"
#include "common/log.h"
#include "daemon/admin/admin_messages.h"
#include "daemon/engine/engine_init.h"
#include "daemon/lend/guest_messages.h"
#include "daemon/lend/guest_room.h"
#include "daemon/lend/guest_schedule.h"
#include "daemon/lend/guest_step.h"
#include "daemon/net/listening.h"
#include "daemon/loop.h"
#include "daemon/parts.h"
#include "daemon/reload.h"
#include "daemon/serve/area_users.h"
#include "daemon/serve/paging.h"
#include "daemon/serve/serve_messages.h"
#include "daemon/stop.h"
#include "daemon/turn.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

/* ---- hooks of the engine */

static void hook_settle(void *ctx)
{
	struct daemon *d = ctx;

	serve_wake(&d->serve);
	turn_settle(d);
}

static void hook_room_changed(void *ctx)
{
	struct daemon *d = ctx;

	map_waits_wake(&d->serve.map_waits);
}

static void hook_look(void *ctx, struct pager_claim *claim, unsigned count)
{
	struct daemon *d = ctx;

	desks_look(&d->serve.desks, claim, count);
}

static void hook_recall(void *ctx)
{
	struct daemon *d = ctx;

	desks_recall(&d->serve.desks);
}

static void hook_file_ends(void *ctx, struct area *area,
			   const struct area_file *file)
{
	(void)ctx;
	area_users_file_ends(area, file);
}

static const struct engine_hooks engine_hooks = {
	.install = paging_install,
	.look = hook_look,
	.recall = hook_recall,
	.file_ends = hook_file_ends,
	.settle = hook_settle,
	.room_changed = hook_room_changed,
};

/* ---- hooks for guests */

static void on_segment_gone(void *ctx, segment_id segment)
{
	struct daemon *d = ctx;

	guest_room_freed(&d->guests, segment);
}

static const struct serve_hooks serve_hooks = {
	.guest_leaves = guests_leave,
	.guest_answered = guest_step_answered,
	.segment_gone = on_segment_gone,
};

/* ---- operations for connections */

static void on_conns_settle(void *ctx)
{
	struct daemon *d = ctx;

	/* An embedded memd is woken by a connection when it has to stop. */
	if (atomic_load(&d->must_stop) != 0 && !d->is_stopping)
		stop_begin(d, "none");
	turn_settle(d);
}

static void on_conns_turn(void *ctx)
{
	struct daemon *d = ctx;

	defer(&d->deferred, &d->bury);
	turn_ask(d);
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

	return d->serve.segments.count + d->serve.segments.dying_count +
	       d->serve.mailboxes.descriptor_count +
	       d->serve.segments.book_count + d->serve.desks.file_count +
	       d->engine.areas.file_count +
	       keeper_descriptors(&d->keeper);
}

static const struct conns_ops conns_ops = {
	.settle = on_conns_settle,
	.ask_for_turn = on_conns_turn,
	.let_go = conns_let_go,
	.drained = conns_drained,
	.descriptors = conns_descriptors,
};

/* ---- starting: before anybody can connect */

static int make_base(struct daemon *d)
{
	d->base = event_base_new();
	if (d->base == NULL)
		return -ENOMEM;
	d->server.conns.base = d->base;
	return event_base_priority_init(d->base, PRIORITIES) != 0 ? -ENOMEM :
								    0;
}

static void release_pins(void *ctx, struct pin_list *pins)
{
	struct daemon *d = ctx;

	pins_orphan_kept(&d->serve.pins, pins);
	turn_ask(d);
}

static void release_desk(void *ctx, struct session_desk *desk)
{
	struct daemon *d = ctx;

	desks_end(desk);
	serve_desk_ended(&d->serve);
	turn_ask(d);
}

static void fill_serve(struct daemon *d)
{
	d->serve = (struct serve){
		.config = &d->settings.config,
		.stats = &d->stats,
		.engine = &d->engine,
		.server = &d->server,
		.admins = &d->admins,
		.awake = &d->awake,
		.keeper = &d->keeper,
		.deferred = &d->deferred,
		.program = &d->program,
		.is_embedded = d->is_embedded,
		.hooks = &serve_hooks,
		.hooks_ctx = d,
	};
}

static void fill_guests(struct daemon *d)
{
	d->guests = (struct guests){
		.config = &d->settings.config,
		.stats = &d->stats,
		.engine = &d->engine,
		.conns = &d->server.conns,
		.awake = &d->awake,
		.pending = &d->serve.pending,
		.accounts = &d->serve.accounts,
		.segments = &d->serve.segments,
		.map_waits = &d->serve.map_waits,
		.deferred = &d->deferred,
	};
	guest_schedule_init(&d->guests);
}

static void fill_admin(struct daemon *d)
{
	d->admin = (struct admin){
		.settings = &d->settings,
		.stats = &d->stats,
		.engine = &d->engine,
		.server = &d->server,
		.tcp_opening = &d->tcp_opening,
		.serve = &d->serve,
		.guests = &d->guests,
		.watch = {
			.config = &d->settings.config,
			.stats = &d->stats,
			.engine = &d->engine,
			.keeper = &d->keeper,
			.sessions = &d->serve.sessions,
			.spoil = &d->serve.spoil,
			.guests = &d->guests,
			.is_embedded = d->is_embedded,
			.watched_ns = clock_now_ns(),
		},
		.started_ns = clock_now_ns(),
	};
}

static void init_net(struct daemon *d)
{
	struct conns *all = &d->server.conns;

	server_init(&d->server);
	d->server.is_embedded = d->is_embedded;
	all->config = &d->settings.config;
	all->stats = &d->stats;
	all->ops = &conns_ops;
	all->ctx = d;
	d->admins.config = &d->settings.config;
	d->admins.is_embedded = d->is_embedded;
	d->awake.config = &d->settings.config;
}

static int init_rooms(struct daemon *d, char *reason, size_t size)
{
	int err;

	turn_init_work(d);
	fill_serve(d);
	fill_guests(d);
	fill_admin(d);
	init_net(d);
	guests_init(&d->guests);
	guest_messages_add(&d->server.conns, &d->guests);
	admin_messages_add(&d->server.conns, &d->admin);
	reload_apply(d);
	err = serve_init(&d->serve);
	if (err != 0)
		snprintf(reason, size, "mailboxes and requests: %s",
			 strerror(-err));
	return err;
}

static int init_loop(struct daemon *d, char *reason, size_t size)
{
	int err = make_base(d);

	if (err == 0)
		err = turn_init(d);
	if (err == 0)
		err = loop_init(d);
	if (err != 0)
		snprintf(reason, size, "event loop: %s", strerror(-err));
	return err;
}

static int init_engine(struct daemon *d, char *reason, size_t size)
{
	const struct engine_setup setup = {
		.config = &d->settings.config,
		.is_embedded = d->is_embedded,
		.accounts_max = accounts_most(&d->settings.config),
		.hooks = &engine_hooks,
		.deferred = &d->deferred,
		.ctx = d,
		.callbacks = &paging_callbacks,
		.callbacks_ctx = &d->serve,
	};
	int err;

	renewal_init(&d->renewal, &d->settings.config);
	/* While memd starts, SIGTERM and SIGINT end it.  SIGHUP must not: it is
	 * too early for a reload. */
	if (!d->is_embedded)
		(void)signal(SIGHUP, SIG_IGN);
	err = engine_init(&d->engine, &setup, reason, size);
	if (err != 0)
		return err;
	err = loop_catch_signals(d);
	if (err != 0) {
		snprintf(reason, size, "%s", strerror(-err));
		return err;
	}
	store_watch_init(&d->admin.watch.store_watch, d->engine.store);
	err = serve_start(&d->serve);
	if (err == 0)
		err = engine_watch(&d->engine, d->base, PRIORITY_PAGING,
				   PRIORITY_BACKGROUND);
	if (err != 0)
		snprintf(reason, size, "cannot start: %s", strerror(-err));
	return err;
}

static int init_keeper(struct daemon *d, char *reason, size_t size)
{
	int err;

	if (d->is_embedded)
		return 0;
	err = keeper_init(&d->keeper, d->base, &d->serve.accounts,
			  release_pins, release_desk, d);
	if (err != 0)
		snprintf(reason, size, "cannot start the process that keeps "
			 "clients' userfaultfds (/proc/self/exe): %s",
			 strerror(-err));
	return err;
}

/* ---- starting: what lets clients connect */

/* With fewer descriptors memd could start, but accept no connections. */
static int check_descriptors(const struct daemon *d, char *reason, size_t size)
{
	return d->is_embedded ? 0 :
		findings_refuse(&d->settings.config, FINDING_descriptors,
				-EMFILE, reason, size);
}

static int open_doors(struct daemon *d, char *reason, size_t size)
{
	int err = server_listen(&d->server, reason, size);

	if (err == 0)
		err = tcp_opening_begin(&d->tcp_opening, &d->server, reason,
					size);
	if (err != 0)
		return err;
	err = loop_start_tick(d);
	if (err != 0)
		snprintf(reason, size, "event loop: %s", strerror(-err));
	return err;
}

int start_all(struct daemon *d, char *reason, size_t size)
{
	int err = init_rooms(d, reason, size);

	if (err == 0)
		err = check_descriptors(d, reason, size);
	if (err == 0)
		err = init_loop(d, reason, size);
	if (err == 0)
		err = init_engine(d, reason, size);
	if (err == 0)
		err = init_keeper(d, reason, size);
	if (err == 0)
		err = open_doors(d, reason, size);
	if (err == 0)
		reload_say_certificates(d);
	return err;
}

/* Call after the loop has ended. */
void start_undo(struct daemon *d)
{
	tcp_opening_end(&d->tcp_opening);
	server_stop_listening(&d->server);
	/* After a hurried stop, DEAD connections may be left. */
	while (server_bury(&d->server))
		;
	guests_fini(&d->guests);
	keeper_fini(&d->keeper);
	serve_end(&d->serve);
	engine_fini(&d->engine);
	serve_fini(&d->serve);
	if (d->base != NULL)
		event_base_free(d->base);
}
