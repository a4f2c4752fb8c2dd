/* SPDX-License-Identifier: MIT */
/* Requests that only look, at other hosts whose pages are kept here. */
#include "daemon/admin/admin_guests.h"

#include "common/clock.h"
#include "daemon/admin/admin.h"
#include "daemon/net/conn_output.h"
#include "daemon/admin/admin_messages.h"
#include "daemon/admin/rows.h"
#include "daemon/serve/session.h"
#include "daemon/system/system.h"
#include <netinet/in.h>
#include <netinet/tcp.h>

/* The round-trip time that the kernel has measured.  Returns false if there is
 * none. */
static bool get_rtt(const struct session *s, uint64_t *ret_ns)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (s == NULL || getsockopt(s->main->fd, IPPROTO_TCP, TCP_INFO, &info,
				    &length) != 0)
		return false;
	*ret_ns = (uint64_t)info.tcpi_rtt * 1000;
	return true;
}

void admin_guests_fill_status(const struct admin *ad, Memd__StatusReply *reply)
{
	const struct session *s;
	const struct guest *guest;

	if (ad->settings->config.listen_tcp[0] == '\0')
		return;
	reply->has_guests_connected = reply->has_guests_away =
		reply->has_guest_pages = true;
	TAILQ_FOREACH(s, &ad->serve->sessions.list, link)
		reply->guests_connected += s->main->peer.is_remote &&
					   !s->is_admin_only;
	TAILQ_FOREACH(guest, &ad->guests->all, link) {
		reply->guests_away += guest->session == NULL;
		reply->guest_pages += guest_page_count(guest);
	}
}

void admin_guests_fill_session(const struct session *s,
			       char peer[PEER_NAME_BYTES],
			       Memd__SessionInfo *info)
{
	const struct peer *from = &s->main->peer;

	info->host = (char *)from->host;
	if (from->name[0] != '\0')
		info->peer = system_printable(from->name, peer,
					      PEER_NAME_BYTES);
	info->has_rtt_ns = get_rtt(s, &info->rtt_ns);
	info->has_in_bytes_per_s = info->has_out_bytes_per_s =
		info->has_guest_pages = true;
	if (s->guest == NULL)
		return;
	info->in_bytes_per_s = (uint64_t)s->guest->written_bytes_per_s;
	info->out_bytes_per_s = (uint64_t)s->guest->read_bytes_per_s;
	info->guest_pages = guest_page_count(s->guest);
}

/* What the session keeps here is charged to its user. */
void admin_guests_fill_limit(const struct session *s, Memd__Limit *limit)
{
	struct segment_info info;

	limit->has_frames = limit->has_mapped_bytes = false;
	limit->source = (char *)"uid";
	if (s->guest == NULL)
		return;
	pager_segment_get(s->all->segments->engine->pager,
			  s->guest->segment->pager_id, &info);
	limit->used_frames = info.resident;
	limit->used_mapped_bytes = segment_length(s->guest->segment);
}

/* ---- the list of them */

static void fill_guest(const struct admin *ad, const struct guest *guest,
		       Memd__GuestInfo *row)
{
	struct segment_info info;

	pager_segment_get(ad->engine->pager, guest->segment->pager_id, &info);
	memd__guest_info__init(row);
	row->has_guest = true;
	row->guest = guest->id;
	row->session = guest->session != NULL ? guest->session->id : 0;
	row->host = (char *)guest->host;
	row->peer = (char *)guest->printable_name;
	row->uid = guest->uid;
	row->length_bytes = segment_length(guest->segment);
	row->resident_bytes = info.resident * PAGER_UNIT_BYTES;
	row->swapped_bytes = info.swapped * PAGER_UNIT_BYTES;
	row->read_bytes = guest->read_bytes;
	row->written_bytes = guest->written_bytes;
	row->has_rtt_ns = get_rtt(guest->session, &row->rtt_ns);
	row->has_idle_ms = guest->session == NULL;
	if (row->has_idle_ms)
		row->idle_ms = (clock_now_ns() - guest->idle_since_ns) /
			       1000000;
}

void handle_guests(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	Memd__GuestsReply reply = MEMD__GUESTS_REPLY__INIT;
	const struct guest *guest;
	Memd__GuestInfo *info;
	struct rows rows;

	(void)message;
	if (!rows_init(&rows, c, id, ad->guests->count, sizeof(*info)))
		return;
	info = rows.row;
	TAILQ_FOREACH(guest, &ad->guests->all, link) {
		fill_guest(ad, guest, &info[rows.count]);
		if (!rows_keep(&rows, &info[rows.count].base))
			break;
	}
	reply.n_guest = rows.count;
	reply.guest = (Memd__GuestInfo **)rows.pointer;
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_GUESTS_REPLY, id, &reply.base);
	rows_fini(&rows);
}
