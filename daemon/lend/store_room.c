/* SPDX-License-Identifier: MIT */
#include "daemon/lend/store_room.h"

#include "common/clock.h"
#include "common/units.h"
#include "daemon/daemon.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/session.h"
#include "daemon/lend/stores.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct store_room_wait {
	segment_id segment;
	uint64_t cookie;		/* pending */
	TAILQ_ENTRY(store_room_wait) link;
};

int store_room_await(struct stores *ss, struct conn *c, uint64_t request_id,
		     segment_id segment)
{
	struct pending_entry like = {
		.kind = PENDING_STORE_CLOSE,
		.conn = c,
		.request_id = request_id,
	};
	struct store_room_wait *wait = calloc(1, sizeof(*wait));

	if (wait == NULL)
		return -ENOMEM;
	wait->segment = segment;
	if (!pending_add(&ss->daemon->pending, &like, &wait->cookie)) {
		free(wait);
		return -EBUSY;
	}
	TAILQ_INSERT_TAIL(&ss->waiting, wait, link);
	return 0;
}

static struct store_room_wait *find(const struct stores *ss, segment_id segment)
{
	struct store_room_wait *wait;

	TAILQ_FOREACH(wait, &ss->waiting, link)
		if (wait->segment == segment)
			return wait;
	return NULL;
}

void store_room_freed(struct stores *ss, segment_id segment)
{
	struct store_room_wait *wait = find(ss, segment);
	struct pending_entry e;

	if (wait == NULL)
		return;
	e = pending_take(&ss->daemon->pending, wait->cookie);
	TAILQ_REMOVE(&ss->waiting, wait, link);
	free(wait);
	if (e.conn != NULL)
		conn_send_ok(e.conn, e.request_id);
}

void store_room_fini(struct stores *ss)
{
	struct store_room_wait *wait;

	while ((wait = TAILQ_FIRST(&ss->waiting)) != NULL) {
		TAILQ_REMOVE(&ss->waiting, wait, link);
		free(wait);
	}
}

/* ---- who has it */

static bool is_in_the_way(const struct store *store, const struct peer *peer,
			  int error)
{
	if (store->session != NULL)
		return false;
	return error == -ENOSPC || strcmp(store->network, peer->network) == 0 ||
	       (peer->name[0] != '\0' && strcmp(store->name, peer->name) == 0);
}

void store_room_explain(const struct stores *ss, const struct peer *peer,
			int error, char *reason, size_t reason_size)
{
	uint64_t keep_ns = ss->daemon->config.store_keep * 1000000;
	uint64_t bytes = 0, first_ns = UINT64_MAX, now_ns = clock_now_ns();
	size_t length = strnlen(reason, reason_size);
	const struct store *store;
	char text[16];

	if (error != -ENOSPC && error != -EDQUOT)
		return;
	TAILQ_FOREACH(store, &ss->all, link) {
		if (!is_in_the_way(store, peer, error))
			continue;
		bytes += (uint64_t)store->slot_count * PAGER_UNIT_BYTES;
		first_ns = MIN(first_ns, store->idle_since_ns);
	}
	if (bytes == 0)
		return;
	now_ns = MIN(now_ns - first_ns, keep_ns);
	snprintf(reason + length, reason_size - length, "; %s of it is kept "
		 "for clients that are gone (store_keep), the first for %llu s "
		 "more", units_format_size(bytes, text, sizeof(text)),
		 (unsigned long long)((keep_ns - now_ns) / 1000000000));
}
