/* SPDX-License-Identifier: MIT */
#include "daemon/lend/stores.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/units.h"
#include "daemon/daemon.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/session.h"
#include "daemon/lend/store_op.h"
#include "daemon/lend/store_room.h"
#include "daemon/lend/store_schedule.h"
#include "daemon/system/system.h"
#include <errno.h>
#include <string.h>

void stores_init(struct stores *ss, struct daemon *d)
{
	*ss = (struct stores){ .daemon = d };
	TAILQ_INIT(&ss->all);
	TAILQ_INIT(&ss->due);
	TAILQ_INIT(&ss->starved);
	TAILQ_INIT(&ss->answered);
	TAILQ_INIT(&ss->waiting);
	ss->pinned_max = MAX(d->config.pool_size / PAGER_UNIT_BYTES / 8, 1u);
}

/* ---- who keeps how much */

static uint64_t bytes_of(const struct store *store)
{
	return (uint64_t)store->slot_count * PAGER_UNIT_BYTES;
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

static int check_limits(const struct stores *ss, const struct peer *peer,
			uint64_t bytes, char *ret_reason, size_t reason_size)
{
	const struct config *config = &ss->daemon->config;
	uint64_t of_name = 0, of_host = 0;
	const struct store *store;
	int err;

	TAILQ_FOREACH(store, &ss->all, link) {
		if (strcmp(store->name, peer->name) == 0)
			of_name += bytes_of(store);
		if (strcmp(store->network, peer->network) == 0)
			of_host += bytes_of(store);
	}
	err = check_sum(of_host, bytes, config->address_stored, "this address",
			"address_stored", ret_reason, reason_size);
	if (err == 0 && peer->name[0] != '\0')
		err = check_sum(of_name, bytes, config->name_stored,
				"this certificate", "name_stored", ret_reason,
				reason_size);
	return err;
}

/* ---- coming and going */

static void take_place(struct store *store, struct session *s)
{
	const struct peer *peer = &s->main->peer;

	store->session = s;
	s->store = store;
	store->idle_since_ns = 0;
	memcpy(store->host, peer->host, sizeof(store->host));
	memcpy(store->network, peer->network, sizeof(store->network));
}

static int add_segment(struct store *store, char *ret_reason,
		       size_t reason_size)
{
	struct daemon *d = store->stores->daemon;
	struct segment_wish wish = {
		.name = "",
		.uid = store->uid,
		.gid = (gid_t)-1,
		.page_count = store->slot_count,
		.order = PAGE_ORDER_4K,
	};
	int err = accounts_get_uid(&d->accounts, store->uid, &store->account);

	if (err != 0) {
		snprintf(ret_reason, reason_size, "no accounts are left; try "
			 "again later");
		return err;
	}
	wish.account = store->account;
	wish.owner = store->account;
	err = segments_add(&d->segments, &wish, &store->segment, ret_reason,
			   reason_size);
	if (err != 0) {
		account_put(&d->accounts, store->account);
		return err;
	}
	store->segment->attached_count++;
	pager_segment_reserve(d->engine.pager, store->segment->pager_id);
	return 0;
}

static uint32_t take_id(struct stores *ss)
{
	do
		ss->last_id++;
	while (ss->last_id == 0 || stores_find(ss, ss->last_id) != NULL);
	return ss->last_id;
}

static int create(struct session *s, uint32_t slot_count, char *ret_reason,
		  size_t reason_size)
{
	struct stores *ss = &s->daemon->stores;
	const struct peer *peer = &s->main->peer;
	struct store *store = calloc(1, sizeof(*store));
	int err;

	if (store == NULL) {
		snprintf(ret_reason, reason_size, "no memory");
		return -ENOMEM;
	}
	store->stores = ss;
	store->id = take_id(ss);
	store->slot_count = slot_count;
	store->uid = peer->uid;
	snprintf(store->name, sizeof(store->name), "%s", peer->name);
	system_printable(peer->name, store->printable_name,
			 sizeof(store->printable_name));
	system_random(store->token, sizeof(store->token));
	TAILQ_INIT(&store->ops);
	TAILQ_INIT(&store->ready);
	err = check_limits(ss, peer, bytes_of(store), ret_reason, reason_size);
	if (err == 0)
		err = add_segment(store, ret_reason, reason_size);
	if (err != 0) {
		store_room_explain(ss, peer, err, ret_reason,
				   reason_size);
		free(store);
		return err;
	}
	TAILQ_INSERT_TAIL(&ss->all, store, link);
	ss->count++;
	ss->daemon->stats.stores++;
	ss->daemon->stats.stores_opened++;
	take_place(store, s);
	return 0;
}

/* In a time that does not tell how many bytes were right. */
static bool is_equal(const uint8_t *a, const uint8_t *b, size_t length)
{
	unsigned difference = 0;

	for (size_t i = 0; i < length; i++)
		difference |= (unsigned)(a[i] ^ b[i]);
	return difference == 0;
}

static struct store *find(const struct stores *ss, const uint8_t *token,
			  const struct peer *peer)
{
	struct store *store, *found = NULL;

	TAILQ_FOREACH(store, &ss->all, link)
		if (is_equal(store->token, token, STORE_TOKEN_BYTES) &&
		    store->uid == peer->uid &&
		    strcmp(store->name, peer->name) == 0)
			found = store;
	return found;
}

static void detach(struct store *store)
{
	struct session *s = store->session;

	if (s == NULL)
		return;
	store_orphan_ops(store);
	s->store = NULL;
	store->session = NULL;
	store->idle_since_ns = clock_now_ns();
}

static int resume(struct session *s, const struct store_wish *wish,
		  char *ret_reason, size_t reason_size)
{
	struct stores *ss = &s->daemon->stores;
	struct store *store = find(ss, wish->token, &s->main->peer);
	struct session *before;

	if (store == NULL) {
		snprintf(ret_reason, reason_size, "no such store of this "
			 "user: it was closed or dropped, nobody came back for "
			 "it within store_keep, or memd was started anew");
		return -ENOENT;
	}
	if (store->slot_count != wish->slot_count) {
		snprintf(ret_reason, reason_size, "this store has %u slots, "
			 "not %u", store->slot_count, wish->slot_count);
		return -EINVAL;
	}
	before = store->session;
	detach(store);
	if (before != NULL)
		conn_close(before->main, "another connection has taken over "
			   "its store");
	take_place(store, s);
	ss->daemon->stats.stores_resumed++;
	return 0;
}

int stores_open(struct session *s, const struct store_wish *wish,
		char *ret_reason, size_t reason_size)
{
	int err = wish->token != NULL ?
		resume(s, wish, ret_reason, reason_size) :
		create(s, wish->slot_count, ret_reason, reason_size);

	if (err == 0)
		log_event(LOG_LEVEL_INFO, wish->token != NULL ?
			  "store-resume" : "store-open",
			  "session=%u host=%s uid=%u bytes=%llu", s->id,
			  s->store->host, s->store->uid,
			  (unsigned long long)bytes_of(s->store));
	return err;
}

static void destroy(struct store *store)
{
	struct stores *ss = store->stores;
	struct daemon *d = ss->daemon;

	if (store->session != NULL)
		store->session->store = NULL;
	store_drop_ops(store);
	if (store->is_due)
		TAILQ_REMOVE(&ss->due, store, due_link);
	if (store->is_starved)
		TAILQ_REMOVE(&ss->starved, store, due_link);
	TAILQ_REMOVE(&ss->all, store, link);
	ss->count--;
	d->stats.stores--;
	store->segment->attached_count--;
	segments_drop_unused(&d->segments, store->segment);
	account_put(&d->accounts, store->account);
	free(store);
}

static void log_end(const struct store *store, const char *why)
{
	log_event(LOG_LEVEL_INFO, "store-close",
		  "host=%s uid=%u bytes=%llu reason=\"%s\"", store->host,
		  store->uid, (unsigned long long)bytes_of(store), why);
}

static bool store_is_blank(const struct store *store)
{
	return store->written_bytes == 0 && TAILQ_EMPTY(&store->ops);
}

void stores_leave(struct session *s)
{
	struct store *store = s->store;

	if (store == NULL)
		return;
	detach(store);
	/* Where nothing was ever written there is nothing to come back to. */
	if (s->daemon->config.store_keep != 0 && !store_is_blank(store))
		return;
	log_end(store, "its connection broke");
	destroy(store);
}

int stores_close(struct store *store, uint64_t request_id)
{
	struct conn *c = store->session->main;
	struct store_op *op;
	int err = store_room_await(store->stores, c, request_id,
				   store->segment->pager_id);

	if (err != 0)
		return err;
	TAILQ_FOREACH(op, &store->ops, link)
		if (!op->is_orphan && op->kind != STORE_OP_DISCARD)
			conn_send_error(c, op->request_id, -ECANCELED,
					"the store was closed");
	log_end(store, "closed");
	destroy(store);
	return 0;
}

int stores_drop(struct store *store, struct conn *c, uint64_t request_id)
{
	struct session *s = store->session;
	int err = store_room_await(store->stores, c, request_id,
				   store->segment->pager_id);

	if (err != 0)
		return err;
	detach(store);
	if (s != NULL)
		conn_refuse(s->main, 0, -ECONNABORTED, "uid %u has dropped "
			    "this store with `memctl drop-guest`",
			    c->peer.uid);
	log_end(store, "dropped");
	destroy(store);
	return 0;
}

struct store *stores_find(const struct stores *ss, uint32_t id)
{
	struct store *store;

	TAILQ_FOREACH(store, &ss->all, link)
		if (store->id == id)
			return store;
	return NULL;
}

void stores_end(struct stores *ss)
{
	struct store *store;

	while ((store = TAILQ_FIRST(&ss->all)) != NULL)
		destroy(store);
}

void stores_expire(struct stores *ss)
{
	uint64_t keep_ns = ss->daemon->config.store_keep * 1000000;
	uint64_t now_ns = clock_now_ns();
	struct store *store, *next;

	for (store = TAILQ_FIRST(&ss->all); store != NULL; store = next) {
		next = TAILQ_NEXT(store, link);
		if (store->session != NULL ||
		    now_ns - store->idle_since_ns < keep_ns)
			continue;
		ss->daemon->stats.stores_expired++;
		log_end(store, "nobody came back for it");
		destroy(store);
	}
}

void stores_fini(struct stores *ss)
{
	struct store_op *op;

	if (ss->daemon == NULL)
		return;
	stores_end(ss);
	while ((op = TAILQ_FIRST(&ss->answered)) != NULL) {
		TAILQ_REMOVE(&ss->answered, op, work_link);
		store_op_destroy(op);
	}
	store_room_fini(ss);
	store_schedule_fini(ss);
}

/* ---- figures */

void stores_watch_rates(struct stores *ss, uint64_t elapsed_ns)
{
	struct store *store;

	TAILQ_FOREACH(store, &ss->all, link) {
		store->read_bytes_per_s = stats_rate(store->read_bytes_per_s,
						     store->read_bytes,
						     store->last_read_bytes,
						     elapsed_ns);
		store->written_bytes_per_s =
			stats_rate(store->written_bytes_per_s,
				   store->written_bytes,
				   store->last_written_bytes, elapsed_ns);
		store->last_read_bytes = store->read_bytes;
		store->last_written_bytes = store->written_bytes;
	}
}

uint64_t store_page_count(const struct store *store)
{
	struct segment_info info;

	pager_segment_get(store->stores->daemon->engine.pager,
			  store->segment->pager_id, &info);
	return info.resident + info.swapped;
}
