/* SPDX-License-Identifier: MIT */
#include "daemon/admin/watch.h"

#include "common/clock.h"
#include "common/log.h"
#include "daemon/engine/engine.h"
#include "daemon/keeper/keeper.h"
#include "daemon/lend/guests.h"
#include "daemon/serve/session.h"
#include "daemon/serve/spoil.h"
#include <errno.h>
#include <string.h>

/* About a second: a tick may come a little early. */
#define WATCH_NS	UINT64_C(900000000)

static void watch_rates(struct watch *w, uint64_t elapsed_ns)
{
	uint64_t faults = stats_fault_count(w->stats);
	struct session *s;

	w->stats->faults_per_s = stats_rate(w->stats->faults_per_s, faults,
					   w->stats->last_faults, elapsed_ns);
	w->stats->last_faults = faults;
	TAILQ_FOREACH(s, &w->sessions->list, link) {
		faults = session_fault_count(s);
		s->faults_per_s = stats_rate(s->faults_per_s, faults,
					     s->last_faults, elapsed_ns);
		s->last_faults = faults;
	}
	guests_watch_rates(w->guests, elapsed_ns);
}

static void watch_starvation(struct watch *w, uint64_t elapsed_ns)
{
	struct pager_stats stats;
	bool is_starved;

	pager_stats_get(w->engine->pager, &stats);
	is_starved = stats.faults_waiting != 0 && stats.free_frames == 0;
	w->starved_ns = is_starved ? w->starved_ns + elapsed_ns : 0;
}

static void watch_stuck_punches(struct watch *w)
{
	const struct flights *fs = backing_flights(w->engine->backing);
	uint64_t returned;

	engine_poll_files(w->engine);
	returned = flights_returned_count(fs);
	if (returned != w->returned_punches)
		log_event(LOG_LEVEL_NOTICE, "segment-unlocked",
			  "count=%llu left=%u", (unsigned long long)
			  (returned - w->returned_punches),
			  flights_stuck_count(fs));
	w->returned_punches = returned;
}

static void watch_keeper(struct watch *w)
{
	int result = keeper_tick(w->keeper);

	if (result == 1)
		log_event(LOG_LEVEL_WARNING, "keeper-restarted",
			  "reason=\"it had been killed\"");
	else if (result < 0)
		log_event(LOG_LEVEL_ERROR, "keeper-missing",
			  "error=\"%s\" reason=\"if memd is killed now, "
			  "programs that end later may leave zeros in the "
			  "segments that they share\"",
			  strerror(-result));
}

static void watch_log(const struct watch *w, enum finding_id id)
{
	struct findings_ask ask = engine_findings(w->engine, w->config);

	ask.report = findings_log;
	findings_ask_one(&ask, id);
}

/* Log only the first time: the counter tells how often it happened. */
static void watch_refusals(struct watch *w)
{
	uint64_t refused = w->engine->store->refused;

	if (refused != 0 && w->io_refused == 0)
		watch_log(w, FINDING_io_refused);
	w->io_refused = refused;
}

static void watch_helpers(struct watch *w)
{
	uint64_t renewed = engine_renewed_helpers(w->engine);
	unsigned missing = engine_missing_helpers(w->engine);

	if (renewed != w->stats->helpers_renewed)
		log_event(LOG_LEVEL_WARNING, "helpers-renewed",
			  "count=%llu reason=\"helper processes of memd had "
			  "been ended\"", (unsigned long long)
			  (renewed - w->stats->helpers_renewed));
	if (missing > w->missing_helpers)
		watch_log(w, FINDING_missing_helpers);
	w->stats->helpers_renewed = renewed;
	w->missing_helpers = missing;
}

bool watch_tick(struct watch *w)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t elapsed_ns = now_ns - w->watched_ns;

	/* The service manager may ask for more frequent ticks. */
	if (elapsed_ns < WATCH_NS)
		return false;
	w->watched_ns = now_ns;
	watch_rates(w, elapsed_ns);
	watch_starvation(w, elapsed_ns);
	spoil_look(w->spoil);
	watch_stuck_punches(w);
	engine_look_again(w->engine);
	watch_keeper(w);
	watch_helpers(w);
	watch_refusals(w);
	w->stats->log_dropped = log_dropped_count();
	/* An embedded memd does not log to the program's stderr. */
	if (!w->is_embedded)
		store_watch_tick(&w->store_watch, w->engine->store);
	return true;
}
