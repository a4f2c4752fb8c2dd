/* SPDX-License-Identifier: MIT */
/* Requests that only look, at memd as a whole: the verdict, how full memd is,
 * and where it listens. */
#include "daemon/admin/admin_guests.h"
#include "daemon/net/certificates.h"
#include "daemon/admin/admin.h"
#include "daemon/net/conn_output.h"
#include "daemon/admin/admin_messages.h"
#include "daemon/engine/engine_store.h"
#include "daemon/net/listener.h"
#include "daemon/serve/session.h"
#include "daemon/net/tcp_listener.h"
#include "daemon/admin/verdict.h"

#include "common/clock.h"
#include <unistd.h>

static void fill_frames(const struct pager_stats *ps, Memd__StatusReply *reply)
{
	reply->page_bytes = PAGER_UNIT_BYTES;
	reply->pool_frames = ps->frame_count;
	/* A frame that is lent counts as used only when its page is there. */
	reply->free_frames = ps->free_frames + ps->lent_frames;
	reply->resident_frames = ps->resident_frames;
	reply->evicting_frames = ps->evicting_frames;
	reply->loading_frames = ps->loading_frames;
	reply->pinned_frames = ps->pinned_frames;
	reply->slot_count = ps->slot_count;
	reply->free_slots = ps->free_slots;
	reply->quarantined_slots = ps->quarantined_slots;
	reply->committed_pages = ps->committed_units;
	reply->commit_limit_pages = ps->commit_limit_units;
	reply->metadata_bytes = ps->metadata_bytes;
	reply->pages_lost = ps->pages_lost;
	reply->has_low_watermark_frames = true;
	reply->low_watermark_frames = ps->low_watermark;
	reply->has_high_watermark_frames = true;
	reply->high_watermark_frames = ps->high_watermark;
}

/* The addresses at which memd can be reached, with ports that the kernel chose
 * and sockets that systemd passed. */
struct listening_text {
	char text[LISTENERS_MAX][LISTENER_TEXT_BYTES];
	char *pointer[LISTENERS_MAX];
};

static void fill_listening(const struct server *server,
			   struct listening_text *at, Memd__StatusReply *reply)
{
	for (unsigned i = 0; i < server->listener_count; i++) {
		const struct listener *l = &server->listeners[i];

		at->pointer[i] = at->text[i];
		if (l->is_tcp)
			tcp_listener_show(l->fd, at->text[i],
					  LISTENER_TEXT_BYTES);
		else
			listener_show(l->fd, at->text[i], LISTENER_TEXT_BYTES);
		reply->has_listening_tls |= l->is_tcp;
	}
	reply->listening_tls = server->tls != NULL;
	reply->n_listening = server->listener_count;
	reply->listening = at->pointer;
}

/* How long the certificates in use are valid. */
struct certificate_info {
	struct channel_end end[CHANNEL_ENDS];
	Memd__CertificateInfo info[CHANNEL_ENDS], *pointer[CHANNEL_ENDS];
};

static void fill_certificates(const struct admin *ad,
			      struct certificate_info *at,
			      Memd__StatusReply *reply)
{
	const struct channel_context *tls =
		server_certificates(ad->server, ad->engine->tls);
	unsigned count = tls == NULL ? 0 : channel_context_ends(tls, at->end);

	for (unsigned i = 0; i < count; i++) {
		Memd__CertificateInfo *info = &at->info[i];

		memd__certificate_info__init(info);
		info->setting = (char *)at->end[i].setting;
		info->name = at->end[i].name;
		info->until_s = at->end[i].until_s;
		info->days_left = certificate_days_left(&at->end[i]);
		at->pointer[i] = info;
	}
	reply->n_certificate = count;
	reply->certificate = at->pointer;
}

/* Sessions that only administrate do not count. */
static uint64_t count_clients(const struct admin *ad)
{
	const struct session *s;
	uint64_t count = 0;

	TAILQ_FOREACH(s, &ad->serve->sessions.list, link)
		count += !s->is_admin_only;
	return count;
}

void handle_status(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	Memd__StatusReply reply = MEMD__STATUS_REPLY__INIT;
	char *reason[VERDICT_REASONS_MAX];
	char about_store[ENGINE_STORE_TEXT_BYTES];
	struct certificate_info certificates;
	struct listening_text listening;
	struct pager_stats ps;
	struct verdict verdict;

	(void)message;
	desks_count(&ad->serve->desks);
	verdict_get(ad, &verdict);
	for (size_t i = 0; i < verdict.reason_count; i++)
		reason[i] = verdict.reason[i];
	pager_stats_get(ad->engine->pager, &ps);
	fill_frames(&ps, &reply);
	reply.verdict = (char *)verdict_name(verdict.level);
	reply.n_reason = verdict.reason_count;
	reply.reason = reason;
	reply.server = "memd " MEMD_VERSION;
	reply.pid = (uint32_t)getpid();
	reply.uptime_ms = (clock_now_ns() - ad->started_ns) / 1000000;
	reply.store = (char *)ad->engine->store->ops->name;
	if (engine_store_describe(ad->engine, about_store)[0] != '\0')
		reply.store_reason = about_store;
	if (areas_are_used(&ad->engine->areas)) {
		reply.swap_dir = (char *)ad->engine->areas.dir.path;
		reply.has_file_slots = true;
		reply.file_slots = ad->engine->areas.promised_slots;
	}
	reply.sessions = count_clients(ad);
	reply.segments = ad->serve->segments.count;
	reply.faults = stats_fault_count(ad->stats);
	admin_guests_fill_status(ad, &reply);
	fill_listening(ad->server, &listening, &reply);
	fill_certificates(ad, &certificates, &reply);
	if (ad->settings->config.file[0] != '\0')
		reply.config_file = (char *)ad->settings->config.file;
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_STATUS_REPLY, id, &reply.base);
}
