/* SPDX-License-Identifier: MIT */
#include "daemon/serve/serve.h"

#include "daemon/serve/serve_messages.h"
#include "daemon/serve/session_group.h"
#include "daemon/system/system.h"
#include <string.h>

/* Requests other than faults that may wait: advice and pins. */
enum { REQUESTS_WAITING_MAX = 4096 };

static void retry_lingering(void *ctx)
{
	struct serve *sv = ctx;

	segments_retry(&sv->segments, false);
}

static void init_sessions(struct serve *sv)
{
	sv->sessions = (struct sessions){
		.config = sv->config,
		.stats = sv->stats,
		.accounts = &sv->accounts,
		.segments = &sv->segments,
		.keeper = sv->keeper,
		.pins = &sv->pins,
		.ages = &sv->ages,
		.readies = &sv->readies,
		.desks = &sv->desks,
		.trace = &sv->trace,
		.admins = sv->admins,
		.guest_leaves = sv->hooks->guest_leaves,
	};
	sessions_init(&sv->sessions);
}

static void init_background(struct serve *sv)
{
	sv->evictor = (struct evictor){
		.engine = sv->engine,
		.pending = &sv->pending,
		.segments = &sv->segments,
		.sessions = &sv->sessions,
		.deferred = sv->deferred,
	};
	evictor_init(&sv->evictor);
	sv->lingering = (struct deferred_work){ .run = retry_lingering,
						.ctx = sv };
	sv->replays = (struct replays){
		.engine = sv->engine,
		.pending = &sv->pending,
		.segments = &sv->segments,
		.sessions = &sv->sessions,
		.stats = sv->stats,
		.deferred = sv->deferred,
	};
	replays_init(&sv->replays);
	sv->map_waits = (struct map_waits){
		.accounts = &sv->accounts,
		.pending = &sv->pending,
		.deferred = sv->deferred,
	};
	map_waits_init(&sv->map_waits);
	sv->spoil = (struct spoil){
		.engine = sv->engine,
		.segments = &sv->segments,
		.desks = &sv->desks,
		.stats = sv->stats,
		.deferred = sv->deferred,
	};
	spoil_init(&sv->spoil);
}

int serve_init(struct serve *sv)
{
	int err;

	system_random(&sv->instance, sizeof(sv->instance));
	pins_init(&sv->pins, sv->engine, &sv->pending, &sv->segments,
		  sv->deferred);
	ages_init(&sv->ages, sv->stats, sv->deferred);
	readies_init(&sv->readies, sv->stats);
	trace_init(&sv->trace, sv->stats, sv->deferred,
		   sv->config->trace_events);
	sv->desks = (struct desks){
		.engine = sv->engine,
		.segments = &sv->segments,
		.accounts = &sv->accounts,
		.stats = sv->stats,
		.may_write = session_may_write,
		.note = session_note_own_fault,
	};
	desks_init(&sv->desks);
	init_sessions(sv);
	init_background(sv);
	serve_messages_add(&sv->server->conns, sv);
	mailboxes_init(&sv->mailboxes, sv->config, sv->stats, sv->awake);
	sv->mailboxes.has_rung_for_desk = session_has_rung_for_desk;
	err = pending_init(&sv->pending, REQUESTS_WAITING_MAX);
	if (err != 0)
		return err;
	return client_faults_init(&sv->faults,
				  (uint32_t)sv->config->max_faults);
}

/* Records first: pages that are counted are taken out with the others. */
static bool may_segment_go(void *ctx, const struct segment *segment)
{
	struct serve *sv = ctx;

	return desks_close_book(&sv->desks, segment) &&
	       desks_settle(&sv->desks, segment);
}

int serve_start(struct serve *sv)
{
	int err;

	accounts_init(&sv->accounts, sv->engine->pager, sv->config,
		      sv->deferred);
	err = segments_init(&sv->segments, sv->engine, &sv->accounts,
			    sv->config);
	sv->segments.may_go = may_segment_go;
	sv->segments.ctx = sv;
	return err;
}

bool serve_has_mailboxes(const struct serve *sv)
{
	return strcmp(sv->config->mailbox, "yes") == 0;
}

/* Programs need the files of areas, and a bell to ask for more frames. */
bool serve_is_one_sided(const struct serve *sv)
{
	return strcmp(sv->config->one_sided, "yes") == 0 &&
	       serve_has_mailboxes(sv) && areas_are_used(&sv->engine->areas);
}

void serve_desk_ended(struct serve *sv)
{
	if (!TAILQ_EMPTY(&sv->segments.lingering))
		defer(sv->deferred, &sv->lingering);
}

void serve_tick(struct serve *sv)
{
	/* What they wait for may turn out to be locked by a client, which never
	 * ends. */
	map_waits_wake(&sv->map_waits);
	serve_wake(sv);
	sessions_read_groups(&sv->sessions, SESSION_GROUPS_TICK);
	desks_tick(&sv->desks);
	segments_retry(&sv->segments, false);
	trace_wake(&sv->trace);
}

void serve_wake(struct serve *sv)
{
	replays_wake(&sv->replays);
	evictor_wake(&sv->evictor);
	pins_wake(&sv->pins);
}

static void unlink_all(struct segments *ss)
{
	struct segment *segment, *next;

	for (segment = TAILQ_FIRST(&ss->all); segment != NULL;
	     segment = next) {
		next = TAILQ_NEXT(segment, link);
		segments_unlink(ss, segment);
	}
}

void serve_stop(struct serve *sv)
{
	sv->is_stopping = sv->sessions.is_stopping = true;
	evictor_stop(&sv->evictor);
	replays_stop(&sv->replays);
	unlink_all(&sv->segments);
	segments_retry(&sv->segments, true);
}

void serve_end(struct serve *sv)
{
	map_waits_fini(&sv->map_waits);
	trace_fini(&sv->trace);
	replays_fini(&sv->replays);
	if (sv->engine->pager != NULL) {
		desks_fini(&sv->desks);
	}
	if (sv->engine->pager != NULL && sv->segments.dying_count == 0) {
		accounts_sweep(&sv->accounts);
		accounts_fini(&sv->accounts);
	} else if (sv->engine->pager != NULL) {
		accounts_abandon(&sv->accounts);
	}
	segments_fini(&sv->segments);
}

void serve_fini(struct serve *sv)
{
	client_faults_fini(&sv->faults);
	pending_fini(&sv->pending);
}
