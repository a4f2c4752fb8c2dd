/* SPDX-License-Identifier: MIT */
#include "daemon/lend/guest_room.h"

#include "common/clock.h"
#include "common/units.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/pending.h"
#include "daemon/serve/session.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct guest_room_wait {
	segment_id segment;
	uint64_t cookie;		/* of its pending entry */
	TAILQ_ENTRY(guest_room_wait) link;
};

int guest_room_await(struct guests *gs, struct conn *c, uint64_t request_id,
		     segment_id segment)
{
	struct pending_entry like = {
		.kind = PENDING_GUEST_CLOSE,
		.conn = c,
		.request_id = request_id,
	};
	struct guest_room_wait *wait = calloc(1, sizeof(*wait));

	if (wait == NULL)
		return -ENOMEM;
	wait->segment = segment;
	if (!pending_add(gs->pending, &like, &wait->cookie)) {
		free(wait);
		return -EBUSY;
	}
	TAILQ_INSERT_TAIL(&gs->waiting, wait, link);
	return 0;
}

static struct guest_room_wait *find_wait(const struct guests *gs,
					 segment_id segment)
{
	struct guest_room_wait *wait;

	TAILQ_FOREACH(wait, &gs->waiting, link)
		if (wait->segment == segment)
			return wait;
	return NULL;
}

void guest_room_freed(struct guests *gs, segment_id segment)
{
	struct guest_room_wait *wait = find_wait(gs, segment);
	struct pending_entry e;

	if (wait == NULL)
		return;
	e = pending_take(gs->pending, wait->cookie);
	TAILQ_REMOVE(&gs->waiting, wait, link);
	free(wait);
	if (e.conn != NULL)
		conn_send_ok(e.conn, e.request_id);
}

void guest_room_fini(struct guests *gs)
{
	struct guest_room_wait *wait;

	while ((wait = TAILQ_FIRST(&gs->waiting)) != NULL) {
		TAILQ_REMOVE(&gs->waiting, wait, link);
		free(wait);
	}
}

/* ---- explaining */

static bool is_in_the_way(const struct guest *guest, const struct peer *peer,
			  int error)
{
	if (guest->session != NULL)
		return false;
	return error == -ENOSPC || strcmp(guest->network, peer->network) == 0 ||
	       (peer->name[0] != '\0' && strcmp(guest->name, peer->name) == 0);
}

void guest_room_explain(const struct guests *gs, const struct peer *peer,
			int error, char *reason, size_t reason_size)
{
	uint64_t keep_ns = gs->config->guest_keep * 1000000;
	uint64_t bytes = 0, first_ns = UINT64_MAX, now_ns = clock_now_ns();
	size_t length = strnlen(reason, reason_size);
	const struct guest *guest;
	char text[16];

	if (error != -ENOSPC && error != -EDQUOT)
		return;
	TAILQ_FOREACH(guest, &gs->all, link) {
		if (!is_in_the_way(guest, peer, error))
			continue;
		bytes += (uint64_t)guest->slot_count * PAGER_UNIT_BYTES;
		first_ns = MIN(first_ns, guest->idle_since_ns);
	}
	if (bytes == 0)
		return;
	now_ns = MIN(now_ns - first_ns, keep_ns);
	snprintf(reason + length, reason_size - length, "; %s of it is kept "
		 "for guests that are gone (guest_keep), the first for %llu s "
		 "more", units_format_size(bytes, text, sizeof(text)),
		 (unsigned long long)((keep_ns - now_ns) / 1000000000));
}
