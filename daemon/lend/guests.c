/* SPDX-License-Identifier: MIT */
#include "daemon/lend/guests.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/units.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/session.h"
#include "daemon/lend/guest_op.h"
#include "daemon/lend/guest_room.h"
#include "daemon/lend/guest_due.h"
#include "daemon/system/system.h"
#include <errno.h>
#include <string.h>

void guests_init(struct guests *gs)
{
	gs->is_initialized = true;
	TAILQ_INIT(&gs->all);
	TAILQ_INIT(&gs->due);
	TAILQ_INIT(&gs->starved);
	TAILQ_INIT(&gs->answered);
	TAILQ_INIT(&gs->waiting);
	gs->pinned_max = MAX(gs->config->pool_size / PAGER_UNIT_BYTES / 8, 1u);
}

/* ---- limits */

static uint64_t bytes_of(const struct guest *guest)
{
	return (uint64_t)guest->slot_count * PAGER_UNIT_BYTES;
}

static int check_sum(uint64_t used, uint64_t more, uint64_t most,
		     const char *whose, const char *key, char *ret_reason,
		     size_t reason_size)
{
	char more_text[16], used_text[16], most_text[16];

	if (most == 0 || used + more <= most)
		return 0;
	snprintf(ret_reason, reason_size, "%s more would pass the limit of "
		 "%s: %s kept of %s; %s of that memd's configuration",
		 units_format_size(more, more_text, sizeof(more_text)), whose,
		 units_format_size(used, used_text, sizeof(used_text)),
		 units_format_size(most, most_text, sizeof(most_text)), key);
	return -EDQUOT;
}

static int check_guest_limits(const struct guests *gs, const struct peer *peer,
			uint64_t bytes, char *ret_reason, size_t reason_size)
{
	const struct config *config = gs->config;
	uint64_t of_name = 0, of_host = 0;
	const struct guest *guest;
	int err;

	TAILQ_FOREACH(guest, &gs->all, link) {
		if (strcmp(guest->name, peer->name) == 0)
			of_name += bytes_of(guest);
		if (strcmp(guest->network, peer->network) == 0)
			of_host += bytes_of(guest);
	}
	err = check_sum(of_host, bytes, config->guest_address_mapped,
			"this address", "guest_address_mapped", ret_reason,
			reason_size);
	if (err == 0 && peer->name[0] != '\0')
		err = check_sum(of_name, bytes, config->guest_name_mapped,
				"this certificate", "guest_name_mapped",
				ret_reason, reason_size);
	return err;
}

/* ---- opening and closing */

static void take_place(struct guest *guest, struct session *s)
{
	const struct peer *peer = &s->main->peer;

	guest->session = s;
	s->guest = guest;
	s->guest_segment = guest->segment;
	guest->idle_since_ns = 0;
	memcpy(guest->host, peer->host, sizeof(guest->host));
	memcpy(guest->network, peer->network, sizeof(guest->network));
}

static int add_segment(struct guest *guest, char *ret_reason,
		       size_t reason_size)
{
	struct guests *gs = guest->guests;
	struct segment_wish wish = {
		.name = "",
		.uid = guest->uid,
		.gid = (gid_t)-1,
		.page_count = guest->slot_count,
		.order = PAGE_ORDER_4K,
	};
	int err = accounts_get_uid(gs->accounts, guest->uid, &guest->account);

	if (err != 0) {
		snprintf(ret_reason, reason_size, "no accounts are left; try "
			 "again later");
		return err;
	}
	wish.account = guest->account;
	wish.owner = guest->account;
	err = segments_add(gs->segments, &wish, &guest->segment, ret_reason,
			   reason_size);
	if (err != 0) {
		account_put(gs->accounts, guest->account);
		return err;
	}
	guest->segment->attached_count++;
	pager_segment_reserve(gs->engine->pager, guest->segment->pager_id);
	return 0;
}

static uint32_t take_guest_id(struct guests *gs)
{
	do
		gs->last_id++;
	while (gs->last_id == 0 || guests_find(gs, gs->last_id) != NULL);
	return gs->last_id;
}

static int guest_create(struct guests *gs, struct session *s,
			uint32_t slot_count, char *ret_reason,
			size_t reason_size)
{
	const struct peer *peer = &s->main->peer;
	struct guest *guest = calloc(1, sizeof(*guest));
	int err;

	if (guest == NULL) {
		snprintf(ret_reason, reason_size, "no memory");
		return -ENOMEM;
	}
	guest->guests = gs;
	guest->slot_count = slot_count;
	guest->uid = peer->uid;
	snprintf(guest->name, sizeof(guest->name), "%s", peer->name);
	system_printable(peer->name, guest->printable_name,
			 sizeof(guest->printable_name));
	system_random(guest->token, sizeof(guest->token));
	TAILQ_INIT(&guest->ops);
	TAILQ_INIT(&guest->ready);
	err = check_guest_limits(gs, peer, bytes_of(guest), ret_reason,
				 reason_size);
	if (err == 0)
		err = add_segment(guest, ret_reason, reason_size);
	if (err != 0) {
		guest_room_explain(gs, peer, err, ret_reason,
				   reason_size);
		free(guest);
		return err;
	}
	guest->id = take_guest_id(gs);
	TAILQ_INSERT_TAIL(&gs->all, guest, link);
	gs->count++;
	gs->stats->guests++;
	gs->stats->guests_opened++;
	take_place(guest, s);
	return 0;
}

/* Takes equally long whatever bytes differ, so the time gives nothing away. */
static bool is_equal(const uint8_t *a, const uint8_t *b, size_t length)
{
	unsigned difference = 0;

	for (size_t i = 0; i < length; i++)
		difference |= (unsigned)(a[i] ^ b[i]);
	return difference == 0;
}

static struct guest *find_by_token(const struct guests *gs,
				   const uint8_t *token,
				   const struct peer *peer)
{
	struct guest *guest, *found = NULL;

	TAILQ_FOREACH(guest, &gs->all, link)
		if (is_equal(guest->token, token, GUEST_TOKEN_BYTES) &&
		    guest->uid == peer->uid &&
		    strcmp(guest->name, peer->name) == 0)
			found = guest;
	return found;
}

static void guest_detach(struct guest *guest)
{
	struct session *s = guest->session;

	if (s == NULL)
		return;
	guest_orphan_ops(guest);
	s->guest = NULL;
	s->guest_segment = NULL;
	guest->session = NULL;
	guest->idle_since_ns = clock_now_ns();
}

static int guest_resume(struct guests *gs, struct session *s,
			const struct guest_wish *wish, char *ret_reason,
			size_t reason_size)
{
	struct guest *guest = find_by_token(gs, wish->token, &s->main->peer);
	struct session *before;

	if (guest == NULL) {
		snprintf(ret_reason, reason_size, "no such store of this "
			 "user: it was closed or dropped, nobody came back for "
			 "it within guest_keep, or memd was started anew");
		return -ENOENT;
	}
	if (guest->slot_count != wish->slot_count) {
		snprintf(ret_reason, reason_size, "this store has %u slots, "
			 "not %u", guest->slot_count, wish->slot_count);
		return -EINVAL;
	}
	before = guest->session;
	guest_detach(guest);
	if (before != NULL)
		conn_close(before->main, "another connection has taken over "
			   "this guest");
	take_place(guest, s);
	gs->stats->guests_resumed++;
	return 0;
}

int guests_open(struct guests *gs, struct session *s,
		const struct guest_wish *wish, char *ret_reason,
		size_t reason_size)
{
	int err = wish->token != NULL ?
		guest_resume(gs, s, wish, ret_reason, reason_size) :
		guest_create(gs, s, wish->slot_count, ret_reason,
			     reason_size);

	if (err == 0)
		log_event(LOG_LEVEL_INFO, wish->token != NULL ?
			  "guest-resume" : "guest-open",
			  "session=%u host=%s uid=%u bytes=%llu", s->id,
			  s->guest->host, s->guest->uid,
			  (unsigned long long)bytes_of(s->guest));
	return err;
}

static void guest_destroy(struct guest *guest)
{
	struct guests *gs = guest->guests;

	if (guest->session != NULL) {
		guest->session->guest = NULL;
		guest->session->guest_segment = NULL;
	}
	guest_drop_ops(guest);
	if (guest->is_due)
		TAILQ_REMOVE(&gs->due, guest, due_link);
	if (guest->is_starved)
		TAILQ_REMOVE(&gs->starved, guest, due_link);
	TAILQ_REMOVE(&gs->all, guest, link);
	gs->count--;
	gs->stats->guests--;
	guest->segment->attached_count--;
	segments_drop_unused(gs->segments, guest->segment);
	account_put(gs->accounts, guest->account);
	free(guest);
}

static void log_guest_end(const struct guest *guest, const char *why)
{
	log_event(LOG_LEVEL_INFO, "guest-close",
		  "host=%s uid=%u bytes=%llu reason=\"%s\"", guest->host,
		  guest->uid, (unsigned long long)bytes_of(guest), why);
}

static bool guest_is_blank(const struct guest *guest)
{
	return guest->written_bytes == 0 && TAILQ_EMPTY(&guest->ops);
}

void guests_leave(struct session *s)
{
	struct guest *guest = s->guest;

	guest_detach(guest);
	/* If nothing was ever written, nothing needs to be kept. */
	if (guest->guests->config->guest_keep != 0 && !guest_is_blank(guest))
		return;
	log_guest_end(guest, "its connection broke");
	guest_destroy(guest);
}

int guests_close(struct guest *guest, uint64_t request_id)
{
	struct conn *c = guest->session->main;
	struct guest_op *op;
	int err = guest_room_await(guest->guests, c, request_id,
				   guest->segment->pager_id);

	if (err != 0)
		return err;
	TAILQ_FOREACH(op, &guest->ops, link)
		if (!op->is_orphan && op->kind != GUEST_OP_DISCARD)
			conn_send_error(c, op->request_id, -ECANCELED,
					"the store was closed");
	log_guest_end(guest, "closed");
	guest_destroy(guest);
	return 0;
}

int guests_drop(struct guest *guest, struct conn *c, uint64_t request_id)
{
	struct session *s = guest->session;
	int err = guest_room_await(guest->guests, c, request_id,
				   guest->segment->pager_id);

	if (err != 0)
		return err;
	guest_detach(guest);
	if (s != NULL)
		conn_refuse(s->main, 0, -ECONNABORTED, "uid %u has dropped "
			    "this guest with `memctl drop-guest`",
			    c->peer.uid);
	log_guest_end(guest, "dropped");
	guest_destroy(guest);
	return 0;
}

struct guest *guests_find(const struct guests *gs, uint32_t id)
{
	struct guest *guest;

	TAILQ_FOREACH(guest, &gs->all, link)
		if (guest->id == id)
			return guest;
	return NULL;
}

void guests_end(struct guests *gs)
{
	struct guest *guest;

	while ((guest = TAILQ_FIRST(&gs->all)) != NULL)
		guest_destroy(guest);
}

void guests_expire(struct guests *gs)
{
	uint64_t keep_ns = gs->config->guest_keep * 1000000;
	uint64_t now_ns = clock_now_ns();
	struct guest *guest, *next;

	for (guest = TAILQ_FIRST(&gs->all); guest != NULL; guest = next) {
		next = TAILQ_NEXT(guest, link);
		if (guest->session != NULL ||
		    now_ns - guest->idle_since_ns < keep_ns)
			continue;
		gs->stats->guests_expired++;
		log_guest_end(guest, "nobody came back for it");
		guest_destroy(guest);
	}
}

void guests_fini(struct guests *gs)
{
	struct guest_op *op;

	if (!gs->is_initialized)
		return;
	guests_end(gs);
	while ((op = TAILQ_FIRST(&gs->answered)) != NULL) {
		TAILQ_REMOVE(&gs->answered, op, work_link);
		guest_op_destroy(op);
	}
	guest_room_fini(gs);
	guest_due_fini(gs);
}

/* ---- statistics */

void guests_watch_rates(struct guests *gs, uint64_t elapsed_ns)
{
	struct guest *guest;

	TAILQ_FOREACH(guest, &gs->all, link) {
		guest->read_bytes_per_s = stats_rate(guest->read_bytes_per_s,
						     guest->read_bytes,
						     guest->last_read_bytes,
						     elapsed_ns);
		guest->written_bytes_per_s =
			stats_rate(guest->written_bytes_per_s,
				   guest->written_bytes,
				   guest->last_written_bytes, elapsed_ns);
		guest->last_read_bytes = guest->read_bytes;
		guest->last_written_bytes = guest->written_bytes;
	}
}

uint64_t guest_page_count(const struct guest *guest)
{
	struct segment_info info;

	pager_segment_get(guest->guests->engine->pager,
			  guest->segment->pager_id, &info);
	return info.resident + info.swapped;
}
