/* SPDX-License-Identifier: MIT */
/* Requests that only look at sessions, segments, counters, settings and limits.
 * admin_status.c looks at memd as a whole. */
#include "daemon/admin/admin_guests.h"
#include "daemon/admin/admin.h"
#include "daemon/net/conn_output.h"
#include "daemon/admin/admin_messages.h"
#include "daemon/admin/rows.h"
#include "daemon/serve/session.h"
#include "daemon/serve/session_group.h"
#include "daemon/serve/whom.h"

#include "common/clock.h"
#include <errno.h>

static uint64_t ms_since(uint64_t start_ns)
{
	return (clock_now_ns() - start_ns) / 1000000;
}

/* ---- sessions */

/* A row and the text that it points to. */
struct session_row {
	Memd__SessionInfo info;
	char peer[PEER_NAME_BYTES];
};

static void fill_group(const struct serve *sv, const struct session *s,
		       Memd__SessionInfo *info)
{
	info->has_memory_limit_bytes = true;
	info->memory_limit_bytes = s->group_bytes == UINT64_MAX ?
				   0 : MAX(s->group_bytes, 1u);
	info->has_memory_needed_bytes = serve_is_one_sided(sv);
	info->memory_needed_bytes = session_group_needed(s);
}

static void fill_session(const struct serve *sv, const struct session *s,
			 struct session_row *row)
{
	Memd__SessionInfo *info = &row->info;
	struct session_usage usage;

	session_usage_get(s, &usage);
	memd__session_info__init(info);
	info->session = s->id;
	info->pid = (uint32_t)s->main->peer.pid;
	info->uid = s->main->peer.uid;
	info->command = (char *)s->command;
	info->mapped_bytes = usage.mapped_bytes;
	info->resident_bytes = usage.resident_bytes;
	info->swapped_bytes = usage.swapped_bytes;
	info->faults = session_fault_count(s);
	info->faults_per_s = s->faults_per_s;
	info->has_faults_one_sided = true;
	info->faults_one_sided = s->faults_one_sided;
	info->limit_frames = s->main->peer.is_remote ? 0 :
			     account_frames(s->account);
	info->connected_ms = ms_since(s->connected_ns);
	/* A program may have a mailbox that it cannot use. */
	info->carrier = (char *)(s->mailbox.is_used ? "mailbox" :
				 s->main->peer.is_remote ? "tcp" : "socket");
	if (s->main->peer.is_remote)
		admin_guests_fill_session(s, row->peer, info);
	else
		fill_group(sv, s, info);
}

void handle_sessions(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	Memd__SessionsReply reply = MEMD__SESSIONS_REPLY__INIT;
	struct session_row *row;
	const struct session *s;
	struct rows rows;

	(void)message;
	desks_count(&ad->serve->desks);
	sessions_read_groups(&ad->serve->sessions, SESSION_GROUPS_LIST);
	if (!rows_init(&rows, c, id, ad->serve->sessions.count, sizeof(*row)))
		return;
	row = rows.row;
	TAILQ_FOREACH(s, &ad->serve->sessions.list, link) {
		if (s->is_admin_only)	/* maps nothing; it is a memctl */
			continue;
		fill_session(ad->serve, s, &row[rows.count]);
		if (!rows_keep(&rows, &row[rows.count].info.base))
			break;
	}
	reply.pool_bytes = ad->settings->config.pool_size;
	reply.n_session = rows.count;
	reply.session = (Memd__SessionInfo **)rows.pointer;
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_SESSIONS_REPLY, id, &reply.base);
	rows_fini(&rows);
}

/* ---- segments */

static void fill_segment(const struct admin *ad, const struct segment *segment,
			 Memd__SegmentInfo *row)
{
	uint64_t page_bytes = segment_page_bytes(segment);
	struct segment_info info;

	pager_segment_get(ad->engine->pager, segment->pager_id, &info);
	memd__segment_info__init(row);
	row->segment = segment->id;
	row->name = (char *)segment->name;
	row->uid = segment->uid;
	row->gid = segment->gid;
	row->mode = segment->mode;
	row->page_bytes = (uint32_t)page_bytes;
	row->length_bytes = segment_length(segment);
	row->resident_bytes = info.resident * page_bytes;
	row->swapped_bytes = info.swapped * page_bytes;
	row->dirty_bytes = info.dirty * page_bytes;
	row->lost_pages = info.lost;
	row->pinned_bytes = info.pinned * page_bytes;
	row->attached = segment->attached_count;
	row->unlinked = segment->is_unlinked;
}

static void reply_segments(struct conn *c, uint64_t id, struct rows *rows)
{
	Memd__SegmentsReply reply = MEMD__SEGMENTS_REPLY__INIT;

	reply.n_segment = rows->count;
	reply.segment = (Memd__SegmentInfo **)rows->pointer;
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENTS_REPLY, id, &reply.base);
	rows_fini(rows);
}

void handle_segments(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	const struct segment *segment;
	Memd__SegmentInfo *info;
	struct rows rows;

	(void)message;
	desks_count(&ad->serve->desks);
	if (!rows_init(&rows, c, id, ad->serve->segments.count, sizeof(*info)))
		return;
	info = rows.row;
	TAILQ_FOREACH(segment, &ad->serve->segments.all, link) {
		fill_segment(ad, segment, &info[rows.count]);
		if (!rows_keep(&rows, &info[rows.count].base))
			break;
	}
	reply_segments(c, id, &rows);
}

static size_t attached_by(const struct admin *ad, const struct whom *whom)
{
	const struct session *s;
	size_t count = 0;

	TAILQ_FOREACH(s, &ad->serve->sessions.list, link)
		if (session_is(s, whom))
			count += s->attached_count;
	return count;
}

static void add_maps(const struct admin *ad, const struct session *s,
		     struct rows *rows)
{
	Memd__SegmentInfo *info = rows->row;
	const struct attachment *a;

	for (a = s->attachments; a != NULL; a = a->hh.next) {
		fill_segment(ad, a->segment, &info[rows->count]);
		info[rows->count].has_read_only = true;
		info[rows->count].read_only = a->is_read_only;
		info[rows->count].has_address = a->address != 0;
		info[rows->count].address = a->address;
		if (!rows_keep(rows, &info[rows->count].base))
			return;
	}
}

void handle_maps(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	const Memd__MapsRequest *request = message;
	const struct whom whom = { (pid_t)request->pid, request->session };
	const struct session *s;
	struct rows rows;

	if (whom_is_everybody(&whom)) {
		conn_send_error(c, id, -EINVAL, "give a pid or a session");
		return;
	}
	if (!sessions_check_whom(&ad->serve->sessions, c, id, &whom))
		return;
	desks_count(&ad->serve->desks);
	if (!rows_init(&rows, c, id, attached_by(ad, &whom),
		       sizeof(Memd__SegmentInfo)))
		return;
	TAILQ_FOREACH(s, &ad->serve->sessions.list, link)
		if (session_is(s, &whom))
			add_maps(ad, s, &rows);
	reply_segments(c, id, &rows);
}

/* ---- counters */

void handle_counters(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	struct stats_figure figure[STATS_FIGURES_MAX];
	Memd__Counter counter[STATS_FIGURES_MAX];
	Memd__Counter *pointer[STATS_FIGURES_MAX];
	Memd__CountersReply reply = MEMD__COUNTERS_REPLY__INIT;
	size_t count;

	(void)message;
	desks_count(&ad->serve->desks);
	count = stats_collect(ad->stats, ad->engine->pager, ad->engine->store,
			      figure);
	for (size_t i = 0; i < count; i++) {
		memd__counter__init(&counter[i]);
		counter[i].name = (char *)figure[i].name;
		counter[i].value = figure[i].value;
		counter[i].help = (char *)figure[i].help;
		counter[i].has_is_gauge = true;
		counter[i].is_gauge = figure[i].is_gauge;
		counter[i].unit = (char *)figure[i].unit;
		pointer[i] = &counter[i];
	}
	reply.n_counter = count;
	reply.counter = pointer;
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_COUNTERS_REPLY, id,
		  &reply.base);
}

struct kind_row {
	Memd__FaultKind kind;
	uint64_t floor[HISTOGRAM_BUCKETS], count[HISTOGRAM_BUCKETS];
};

static void fill_kind(struct kind_row *row, const char *name,
		      const struct histogram *h)
{
	Memd__FaultKind *kind = &row->kind;

	memd__fault_kind__init(kind);
	kind->kind = (char *)name;
	kind->count = h->count;
	kind->sum_ns = h->sum_ns;
	kind->max_ns = h->max_ns;
	kind->p50_ns = histogram_quantile(h, 0.5);
	kind->p99_ns = histogram_quantile(h, 0.99);
	kind->p999_ns = histogram_quantile(h, 0.999);
	kind->bucket_floor_ns = row->floor;
	kind->bucket_count = row->count;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		row->floor[kind->n_bucket_count] = histogram_bucket_floor(i);
		row->count[kind->n_bucket_count] = h->bucket[i];
		kind->n_bucket_count++;
	}
	kind->n_bucket_floor_ns = kind->n_bucket_count;
}

void handle_fault_stats(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	struct kind_row row[FAULT_KINDS + 1];
	Memd__FaultKind *pointer[FAULT_KINDS + 1];
	Memd__FaultStatsReply reply = MEMD__FAULT_STATS_REPLY__INIT;

	(void)message;
	desks_count(&ad->serve->desks);
	fill_kind(&row[0], "minor", &ad->stats->minor);
	for (size_t i = 0; i < FAULT_KINDS; i++)
		fill_kind(&row[i + 1], fault_kind_name((enum fault_kind)i),
			  &ad->stats->kind[i]);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		pointer[i] = &row[i].kind;
	reply.n_kind = ARRAY_SIZE(row);
	reply.kind = pointer;
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_FAULT_STATS_REPLY, id,
		  &reply.base);
}

/* ---- settings and limits */

void handle_config(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	const struct config *config = &ad->settings->config;
	char (*text)[CONFIG_TEXT_BYTES] = ad->config_text;
	Memd__ConfigKey key[CONFIG_KEYS], *pointer[CONFIG_KEYS];
	Memd__ConfigReply reply = MEMD__CONFIG_REPLY__INIT;

	(void)message;
	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		const struct config_key *from = &config_keys[i];

		memd__config_key__init(&key[i]);
		key[i].name = (char *)from->name;
		key[i].value = config_format(config, from, text[i],
					     sizeof(text[i]));
		key[i].source = (char *)
			config_source_name(ad->settings->config.source[i]);
		key[i].reloadable = from->is_reloadable;
		key[i].help = (char *)from->help;
		key[i].default_value = (char *)from->default_text;
		if (settings_is_waiting(ad->settings, from))
			key[i].waiting_value =
				config_format(&ad->settings->waiting, from,
					      ad->waiting_text[i],
					      sizeof(ad->waiting_text[i]));
		pointer[i] = &key[i];
	}
	reply.n_key = CONFIG_KEYS;
	reply.key = pointer;
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_CONFIG_REPLY, id, &reply.base);
}

static void fill_limit(const struct admin *ad, const struct account *account,
		       Memd__Limit *limit)
{
	struct account_info info;
	bool is_own = account->own_frames != 0 &&
		      account_frames(account) == account->own_frames;

	pager_account_get(ad->engine->pager, account->id, &info);
	memd__limit__init(limit);
	limit->has_session = account->session != 0;
	limit->session = account->session;
	limit->has_uid = true;
	limit->uid = account->uid;
	limit->has_frames = true;
	limit->frames = account_frames(account);
	limit->has_mapped_bytes = true;
	limit->mapped_bytes = account->mapped_bytes;
	limit->has_used_frames = true;
	limit->used_frames = info.used_frames;
	limit->has_used_mapped_bytes = true;
	limit->used_mapped_bytes = info.mapped_units * PAGER_UNIT_BYTES;
	limit->source = (char *)limit_source_name(is_own ? LIMIT_CLIENT :
						  account->source);
}

static void add_session(const struct admin *ad, Memd__Limit *limit)
{
	const struct session *s = limit->session == 0 ? NULL :
		sessions_find(&ad->serve->sessions, limit->session);

	if (s == NULL)
		return;
	if (s->main->peer.is_remote) {
		admin_guests_fill_limit(s, limit);
		return;
	}
	limit->has_pid = true;
	limit->pid = (uint32_t)s->main->peer.pid;
}

void handle_limits(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	Memd__LimitsReply reply = MEMD__LIMITS_REPLY__INIT;
	const struct account *account;
	Memd__Limit *limit;
	struct rows rows;
	size_t count = 0;

	(void)message;
	TAILQ_FOREACH(account, &ad->serve->accounts.live, link)
		count++;
	if (!rows_init(&rows, c, id, count, sizeof(*limit)))
		return;
	limit = rows.row;
	TAILQ_FOREACH(account, &ad->serve->accounts.live, link) {
		fill_limit(ad, account, &limit[rows.count]);
		add_session(ad, &limit[rows.count]);
		if (!rows_keep(&rows, &limit[rows.count].base))
			break;
	}
	reply.n_limit = rows.count;
	reply.limit = (Memd__Limit **)rows.pointer;
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_LIMITS_REPLY, id, &reply.base);
	rows_fini(&rows);
}
