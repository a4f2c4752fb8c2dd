/* SPDX-License-Identifier: MIT */
#include "daemon/serve/map_wait.h"

#include "daemon/net/conn_output.h"
#include "daemon/serve/pending.h"
#include "daemon/serve/session.h"
#include <errno.h>
#include <stdlib.h>

enum {
	TRIES_PER_TURN = 2,		/* each may create a segment */
	/* Of all sessions together.  The table of requests must keep room for
	 * requests to the pager. */
	WAITS_MAX = 1024,
	UID_WAITS_MAX = WAITS_MAX / 2,
	SESSION_WAITS_MAX = 64,		/* more than the library has under way
					 * at once */
};

struct map_wait {
	uint64_t cookie;		/* of its pending entry */
	TAILQ_ENTRY(map_wait) link;
	struct account *account;	/* of the session */
	struct map_handler handler;
	const ProtobufCMessageDescriptor *descriptor;
	size_t length;
	uint8_t packed[];		/* the message */
};

static void map_wait_take_out(struct map_waits *ws, struct map_wait *wait)
{
	TAILQ_REMOVE(&ws->all, wait, link);
	ws->count--;
}

/* It is out of the list.  What was made ready for it is not needed any more,
 * unless the request waits again by now. */
static void map_wait_end(struct map_waits *ws, struct map_wait *wait)
{
	account_end_wait(ws->accounts, wait->account);
	free(wait);
}

void map_waits_fini(struct map_waits *ws)
{
	struct map_wait *wait;

	if (ws->all.tqh_last == NULL)
		return;
	while ((wait = TAILQ_FIRST(&ws->all)) != NULL) {
		map_wait_take_out(ws, wait);
		map_wait_end(ws, wait);
	}
}

/* A request that is being tried counts still. */
static bool is_too_many(const struct map_waits *ws, const struct account *of)
{
	uint32_t tried = ws->is_trying ? 1 : 0;

	return ws->count >= WAITS_MAX ||
	       of->maps_waiting >= SESSION_WAITS_MAX + tried ||
	       of->parent->maps_waiting >= UID_WAITS_MAX + tried;
}

int map_wait_add(struct map_waits *ws, struct conn *c, uint64_t request_id,
		 const struct map_handler *handler,
		 const ProtobufCMessage *message)
{
	const struct pending_entry like = { .kind = PENDING_MAP, .conn = c,
					    .request_id = request_id };
	size_t length = protobuf_c_message_get_packed_size(message);
	struct map_wait *wait;

	if (is_too_many(ws, c->session->account))
		return -EBUSY;
	wait = malloc(sizeof(*wait) + length);
	if (wait == NULL)
		return -ENOMEM;
	if (!pending_add(ws->pending, &like, &wait->cookie)) {
		free(wait);
		return -EBUSY;
	}
	wait->account = c->session->account;
	account_begin_wait(wait->account);
	wait->handler = *handler;
	wait->descriptor = message->descriptor;
	wait->length = protobuf_c_message_pack(message, wait->packed);
	ws->count++;
	/* A request that was tried and must wait again keeps its place. */
	if (ws->is_trying && ws->next != NULL)
		TAILQ_INSERT_BEFORE(ws->next, wait, link);
	else
		TAILQ_INSERT_TAIL(&ws->all, wait, link);
	return 0;
}

void map_waits_wake(struct map_waits *ws)
{
	ws->is_woken = true;
	if (!TAILQ_EMPTY(&ws->all))
		defer(ws->deferred, &ws->work);
}

static void try_again(const struct pending_entry *e,
		      const struct map_wait *wait)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(
		wait->descriptor, NULL, wait->length, wait->packed);

	if (message == NULL) {
		conn_send_error(e->conn, e->request_id, -ENOMEM, "no memory "
				"for the request");
		return;
	}
	wait->handler.take(wait->handler.ctx, e->conn, e->request_id, message);
	protobuf_c_message_free_unpacked(message, NULL);
}

/* Take out the next request to try; NULL: all have been tried. */
static struct map_wait *map_wait_take_next(struct map_waits *ws)
{
	struct map_wait *wait;

	if (ws->next == NULL && ws->is_woken) {
		ws->is_woken = false;
		ws->next = TAILQ_FIRST(&ws->all);
	}
	wait = ws->next;
	if (wait == NULL)
		return NULL;
	ws->next = TAILQ_NEXT(wait, link);
	map_wait_take_out(ws, wait);
	return wait;
}

static void map_wait_try(struct map_waits *ws, struct map_wait *wait)
{
	struct pending_entry e = pending_take(ws->pending, wait->cookie);

	ws->is_trying = true;
	/* If the client has disconnected, drop its request, so that no segment
	 * is made for nobody.  When memd stops, all clients have. */
	if (e.conn != NULL && e.conn->state != CONN_DEAD)
		try_again(&e, wait);
	ws->is_trying = false;
	map_wait_end(ws, wait);
}

static void map_waits_step(void *arg)
{
	struct map_waits *ws = arg;

	for (unsigned n = 0; n < TRIES_PER_TURN; n++) {
		struct map_wait *wait = map_wait_take_next(ws);

		if (wait == NULL)
			return;
		map_wait_try(ws, wait);
	}
	if (ws->next != NULL || (ws->is_woken && !TAILQ_EMPTY(&ws->all)))
		defer(ws->deferred, &ws->work);
}

void map_waits_init(struct map_waits *ws)
{
	ws->work = (struct deferred_work){ .run = map_waits_step, .ctx = ws };
	TAILQ_INIT(&ws->all);
}
