/* SPDX-License-Identifier: MIT */
#include "daemon/admin/verdict.h"

#include "common/log.h"
#include "common/units.h"
#include "daemon/net/certificates.h"
#include "daemon/admin/admin.h"
#include "swapstore/store_mirror.h"
#include "swapstore/store_remote.h"
#include <stdarg.h>
#include <string.h>
#include <time.h>

/* If no frame is free for this long while faults wait, it is starvation, and
 * not a short burst. */
#define STARVED_NS	UINT64_C(2700000000)

const char *verdict_name(enum verdict_level level)
{
	static const char *const names[] = {
		[VERDICT_OK] = "ok", [VERDICT_WARN] = "warn",
		[VERDICT_DEGRADED] = "degraded",
	};

	return names[level];
}

static void add(struct verdict *v, enum verdict_level level,
		const char *format, ...) PRINTF_LIKE(3, 4);

static void add(struct verdict *v, enum verdict_level level,
		const char *format, ...)
{
	va_list args;

	ASSERT(v->reason_count < VERDICT_REASONS_MAX);
	v->level = MAX(v->level, level);
	va_start(args, format);
	vsnprintf(v->reason[v->reason_count++], VERDICT_REASON_BYTES, format,
		  args);
	va_end(args);
}

#define ULL(n)	((unsigned long long)(n))

/* only_there: what programs have to wait for. */
static void judge_away(const struct store_remote_status *rs,
		       const char *only_there, struct verdict *v)
{
	add(v, VERDICT_DEGRADED, "the memd at %s has not been reached for "
	    "%.1f s (%s): %s", rs->address, (double)rs->down_ns / 1e9,
	    rs->reason, only_there);
}

static void judge_forgotten(const struct store_remote_status *rs,
			    uint64_t lost, struct verdict *v)
{
	if (lost != 0)
		add(v, VERDICT_DEGRADED, "the memd at %s was restarted and "
		    "has forgotten %llu pages: programs that touch them get "
		    "SIGBUS", rs->address, ULL(lost));
}

static void judge_remote(const struct swapstore *store, struct verdict *v)
{
	struct store_remote_status rs;

	store_remote_status_get(store, &rs);
	if (!rs.is_up)
		judge_away(&rs, "programs that need a page from it wait", v);
	judge_forgotten(&rs, rs.lost_slots, v);
}

static void judge_mirrored(const struct swapstore *mirror, unsigned c,
			   struct verdict *v)
{
	struct store_remote_status rs;
	struct store_mirror_status ms;
	bool is_other_enough;

	store_mirror_status_get(mirror, &ms);
	store_remote_status_get(store_mirror_child(mirror, c), &rs);
	is_other_enough = ms.is_up[1 - c] && ms.slots[1 - c] == ms.slot_count;
	if (!rs.is_up)
		judge_away(&rs, is_other_enough ?
			   "only the other memd has the pages now" :
			   "programs that need a page that only this one has "
			   "wait", v);
	else if (ms.slots[c] != ms.slot_count)
		add(v, VERDICT_WARN, "the memd at %s is being filled: %llu of "
		    "%llu pages; do not stop the other one meanwhile",
		    rs.address, ULL(ms.slots[c]), ULL(ms.slot_count));
	judge_forgotten(&rs, ms.lost_slots[c], v);
}

/* What to check if reads or writes fail. */
static const char *place_of(const struct engine *e)
{
	return areas_are_used(&e->areas) ? e->areas.dir.path :
					    "the other memd";
}

static void judge_store(const struct admin *ad, const struct pager_stats *ps,
			struct verdict *v)
{
	const struct engine *e = ad->engine;

	if (store_is_remote(e->store))
		judge_remote(e->store, v);
	for (unsigned c = 0; store_is_mirror(e->store) &&
			     c < STORE_MIRROR_CHILDREN; c++)
		judge_mirrored(e->store, c, v);
	if (ps->quarantined_slots != 0 || ps->write_errors != 0)
		add(v, VERDICT_DEGRADED, "%llu writes to swap failed, "
		    "%llu slots are given up; no page was lost by that: check "
		    "the disk under %s, then restart memd",
		    ULL(ps->write_errors), ULL(ps->quarantined_slots),
		    place_of(e));
	if (ps->read_errors != 0 || ps->checksum_errors != 0)
		add(v, VERDICT_DEGRADED, "%llu reads from swap failed "
		    "and %llu pages had a wrong checksum: check the disk under "
		    "%s", ULL(ps->read_errors), ULL(ps->checksum_errors),
		    place_of(e));
	if (ps->pages_lost != 0)
		add(v, VERDICT_DEGRADED, "%llu pages are lost: programs that "
		    "touch them get SIGBUS; see `memctl segments`",
		    ULL(ps->pages_lost));
}

static void judge_memory(const struct admin *ad, const struct pager_stats *ps,
			 struct verdict *v)
{
	if (ad->watch.starved_ns >= STARVED_NS)
		add(v, VERDICT_DEGRADED, "faults have waited %llu s for a free "
		    "frame: make pool_size larger, or lower limits "
		    "(memctl limit); %llu of %llu frames are pinned",
		    ULL((ad->watch.starved_ns + 500000000) / 1000000000),
		    ULL(ps->pinned_frames),
		    ULL(ps->frame_count));
	if (ps->committed_units > ps->commit_limit_units / 20 * 19)
		add(v, VERDICT_WARN, "%llu of %llu pages are "
		    "promised: new segments will be refused soon; make "
		    "swap_size larger", ULL(ps->committed_units),
		    ULL(ps->commit_limit_units));
	if (ps->pinned_frames > ps->frame_count / 5 * 2)
		add(v, VERDICT_WARN, "%llu of %llu frames are pinned; "
		    "programs may pin half, other hosts an eighth",
		    ULL(ps->pinned_frames), ULL(ps->frame_count));
	if (ps->install_retries != 0)
		add(v, VERDICT_WARN, "%llu times the system had no memory for "
		    "a page of the pool: make pool_size smaller or memd's "
		    "MemoryMax larger", ULL(ps->install_retries));
	if (ps->capture_errors != 0)
		add(v, VERDICT_DEGRADED, "%llu times the kernel refused to "
		    "evict pages: run `memd --check`",
		    ULL(ps->capture_errors));
}

static void judge_settings(const struct admin *ad, struct verdict *v)
{
	char list[VERDICT_REASON_BYTES / 2] = "";
	size_t used = 0;

	for (size_t i = 0; i < CONFIG_KEYS && used < sizeof(list); i++)
		if (settings_is_waiting(ad->settings, &config_keys[i]))
			used += (size_t)snprintf(list + used,
						 sizeof(list) - used, "%s%s",
						 used == 0 ? "" : ", ",
						 config_keys[i].name);
	if (used != 0)
		add(v, VERDICT_WARN, "settings wait for a restart: %s; "
		    "`memctl config` shows both values", list);
}

static void judge_clients(const struct admin *ad, struct verdict *v)
{
	const struct areas *areas = &ad->engine->areas;
	unsigned stuck =
		flights_stuck_count(backing_flights(ad->engine->backing));
	uint64_t slots = 0;
	char size[16];
	unsigned held = areas_are_used(areas) ?
			file_ender_held_up_count(areas->ender, &slots) : 0;

	if (ad->stats->segments_spoiled != 0)
		add(v, VERDICT_WARN, "%llu segments had their data file "
		    "written to past memd by a client: see the log",
		    ULL(ad->stats->segments_spoiled));
	if (stuck != 0)
		add(v, VERDICT_DEGRADED, "%u data files are kept locked by "
		    "clients, and their frames with them: the log says "
		    "which programs to end", stuck);
	if (held != 0)
		add(v, VERDICT_DEGRADED, "swap files of %u users, %s in all, "
		    "have ended, but programs go on reading them: the log has "
		    "the inodes", held,
		    units_format_size(slots * SWAP_SLOT_BYTES, size,
				      sizeof(size)));
	if (ad->server->is_paused)
		add(v, VERDICT_DEGRADED, "no descriptor is left for new "
		    "connections: " CURE_DESCRIPTORS);
	if (ad->tcp_opening->is_waiting)
		add(v, VERDICT_DEGRADED, "other hosts cannot connect: %s; memd "
		    "tries again", ad->tcp_opening->reason);
	if (ad->serve->sessions.count >= ad->settings->config.max_sessions)
		add(v, VERDICT_WARN, "%u programs are connected, as many as "
		    "max_sessions allows", ad->serve->sessions.count);
	if (log_is_behind())
		add(v, VERDICT_WARN, "nobody reads memd's log: %llu lines have "
		    "been dropped; look at what its stderr, or the journal, "
		    "is connected to", ULL(log_dropped_count()));
}

static void judge_reload(const struct admin *ad, struct verdict *v)
{
	time_t since_s = (time_t)ad->settings->reload_refused_s;
	struct tm tm = { 0 };
	char since[32];

	if (since_s == 0)
		return;
	strftime(since, sizeof(since), "%F %T", localtime_r(&since_s, &tm));
	add(v, VERDICT_WARN, "the last reload was refused, the old settings "
	    "and certificates hold since %s: %s", since,
	    ad->settings->reload_error);
}

static void verdict_report(void *ctx, const struct finding *f)
{
	static const enum verdict_level levels[] = {
		[FINDING_WARN] = VERDICT_WARN,
		[FINDING_FAIL] = VERDICT_DEGRADED,
	};
	char line[FINDING_TEXT_BYTES];

	if (f->level != FINDING_OK)
		add(ctx, levels[f->level], "%s",
		    finding_line(f, line, sizeof(line)));
}

static void judge_machine(const struct admin *ad, struct verdict *v)
{
	struct findings_ask ask = engine_findings(ad->engine,
						  &ad->settings->config);

	ask.moment = FINDING_STATUS;
	ask.report = verdict_report;
	ask.ctx = v;
	findings_ask(&ask);
	certificates_say(&ask, server_certificates(ad->server,
						   ad->engine->tls));
}

void verdict_get(const struct admin *ad, struct verdict *ret_verdict)
{
	struct pager_stats ps;

	ret_verdict->level = VERDICT_OK;
	ret_verdict->reason_count = 0;
	pager_stats_get(ad->engine->pager, &ps);
	judge_machine(ad, ret_verdict);
	judge_store(ad, &ps, ret_verdict);
	judge_memory(ad, &ps, ret_verdict);
	judge_clients(ad, ret_verdict);
	judge_settings(ad, ret_verdict);
	judge_reload(ad, ret_verdict);
}
