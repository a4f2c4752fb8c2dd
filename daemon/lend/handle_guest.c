/* SPDX-License-Identifier: MIT */
/* Messages of other hosts that keep pages here. */
#include "daemon/net/conn_input.h"
#include "daemon/net/conn_output.h"
#include "daemon/lend/guest_messages.h"
#include "daemon/serve/map_wait.h"
#include "daemon/serve/session.h"
#include "daemon/lend/guest_op.h"
#include "daemon/lend/guest_step.h"
#include "daemon/lend/guests.h"

#include <errno.h>
#include <string.h>

static void reply_open(struct conn *c, uint64_t id, const struct guest *guest)
{
	Memd__StoreOpenReply reply = MEMD__STORE_OPEN_REPLY__INIT;

	reply.token.data = (uint8_t *)guest->token;
	reply.token.len = sizeof(guest->token);
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_STORE_OPEN_REPLY, id,
		  &reply.base);
}

static bool check_open(struct conn *c, uint64_t id,
		       const Memd__StoreOpen *request)
{
	if (c->session->guest != NULL)
		conn_send_error(c, id, -EBUSY, "StoreOpen: this session has a "
				"store; it can have one");
	else if (c->session->is_admin_only)
		conn_send_error(c, id, -EPERM, "StoreOpen: this session said "
				"that it is for administration only");
	else if (request->slot_count == 0)
		conn_send_error(c, id, -EINVAL, "StoreOpen: a store has one "
				"slot or more");
	else if (request->has_token &&
		 request->token.len != GUEST_TOKEN_BYTES)
		conn_send_error(c, id, -EINVAL, "StoreOpen: a token has %d "
				"bytes", GUEST_TOKEN_BYTES);
	else
		return true;
	return false;
}

void handle_store_open(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct guests *gs = room;
	const Memd__StoreOpen *request = message;
	struct guest_wish wish = { .slot_count = request->slot_count };
	char reason[512];
	int err;

	if (!check_open(c, id, request))
		return;
	if (request->has_token)
		wish.token = request->token.data;
	err = guests_open(gs, c->session, &wish, reason, sizeof(reason));
	if (err == -EINPROGRESS) {
		const struct map_handler again = { handle_store_open, gs };

		err = map_wait_add(gs->map_waits, c, id, &again,
				   &request->base);
		if (err == 0)
			return;
		snprintf(reason, sizeof(reason), "memd cannot keep the request "
			 "until there is room: %s", strerror(-err));
	}
	if (err != 0)
		conn_send_error(c, id, err, "%s", reason);
	else
		reply_open(c, id, c->session->guest);
}

/* Whether the session has a store with these slots.  If not, the message has
 * been answered. */
static bool check_range(struct conn *c, uint64_t id, const char *name,
			const Memd__StoreRange *range)
{
	const struct guest *guest = c->session->guest;

	if (range->count == 0 || range->count > GUEST_SLOTS_MAX)
		conn_refuse(c, id, -EPROTO, "%s of %u slots; 1 to %d are "
			    "allowed", name, range->count, GUEST_SLOTS_MAX);
	else if (guest == NULL)
		conn_send_error(c, id, -EINVAL, "%s before StoreOpen", name);
	else if (range->slot >= guest->slot_count ||
		 range->count > guest->slot_count - range->slot)
		conn_send_error(c, id, -EINVAL, "%s: slots %u + %u are not "
				"inside the store of %u", name, range->slot,
				range->count, guest->slot_count);
	else
		return true;
	return false;
}

void handle_store_read(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	const Memd__StoreRange *range = message;
	struct guest_op *op;

	(void)room;
	if (!check_range(c, id, "StoreRead", range))
		return;
	guest_step_prefetch(c->session->guest, range->slot);
	op = guest_op_create(c->session->guest, GUEST_OP_READ, id, range->slot,
			     range->count);
	if (op == NULL)
		conn_send_error(c, id, -ENOMEM, "no memory");
	else
		guest_op_submit(op);
}

static void write_received(struct conn *c)
{
	struct guest *guest = c->session->guest;
	struct guest_op *op = guest->receiving;

	guest->receiving = NULL;
	guest_op_submit(op);
}

void handle_store_write(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	const Memd__StoreRange *range = message;
	uint64_t bytes = (uint64_t)range->count * PAGER_UNIT_BYTES;
	struct guest *guest = c->session->guest;
	struct guest_op *op;

	(void)room;
	if (c->in_skip != bytes) {
		conn_refuse(c, id, -EPROTO, "StoreWrite of %u slots with %llu "
			    "bytes", range->count,
			    (unsigned long long)c->in_skip);
		return;
	}
	if (!check_range(c, id, "StoreWrite", range))
		return;
	op = guest_op_create(guest, GUEST_OP_WRITE, id, range->slot,
			     range->count);
	if (op != NULL)
		op->bytes = malloc((size_t)bytes);
	if (op == NULL || op->bytes == NULL) {
		guest_op_destroy(op);
		conn_send_error(c, id, -ENOMEM, "no memory for the payload");
		return;
	}
	guest->receiving = op;
	conn_take_payload(c, op->bytes, write_received);
}

/* ---- discards: they have no reply */

static bool check_discard(struct conn *c, const Memd__StoreDiscard *request)
{
	const struct guest *guest = c->session->guest;

	if (guest == NULL) {
		conn_refuse(c, 0, -EPROTO, "StoreDiscard before StoreOpen");
		return false;
	}
	if (request->n_range > WIRE_RANGES_MAX) {
		conn_refuse(c, 0, -EPROTO, "StoreDiscard has %zu ranges; at "
			    "most %d are allowed", request->n_range,
			    WIRE_RANGES_MAX);
		return false;
	}
	for (size_t i = 0; i < request->n_range; i++) {
		const Memd__Range *range = request->range[i];

		if (range->count != 0 && range->first < guest->slot_count &&
		    range->count <= guest->slot_count - range->first)
			continue;
		conn_refuse(c, 0, -EPROTO, "StoreDiscard: slots %llu + %llu "
			    "are not inside the store of %u",
			    (unsigned long long)range->first,
			    (unsigned long long)range->count,
			    guest->slot_count);
		return false;
	}
	return true;
}

static struct guest_op *make_discard(struct guest *guest,
				     const Memd__StoreDiscard *request)
{
	struct guest_op *op = guest_op_create(guest, GUEST_OP_DISCARD, 0, 0, 0);
	uint64_t first = UINT64_MAX, end = 0;

	if (op == NULL)
		return NULL;
	op->range = calloc(request->n_range, sizeof(*op->range));
	if (op->range == NULL) {
		guest_op_destroy(op);
		return NULL;
	}
	for (size_t i = 0; i < request->n_range; i++) {
		const Memd__Range *range = request->range[i];

		op->range[i].first = range->first;
		op->range[i].count = range->count;
		first = MIN(first, range->first);
		end = MAX(end, range->first + range->count);
	}
	op->range_count = (uint32_t)request->n_range;
	op->first = first;
	op->count = end - first;
	return op;
}

void handle_store_discard(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	const Memd__StoreDiscard *request = message;
	struct guest_op *op;

	(void)room;
	(void)id;
	if (!check_discard(c, request) || request->n_range == 0)
		return;
	/* If there is no memory, the pages just stay longer. */
	op = make_discard(c->session->guest, request);
	if (op != NULL)
		guest_op_submit(op);
}

void handle_store_close(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	int err;

	(void)room;
	(void)message;
	if (c->session->guest == NULL) {
		conn_send_error(c, id, -EINVAL, "StoreClose before StoreOpen");
		return;
	}
	err = guests_close(c->session->guest, id);
	if (err != 0)
		conn_send_error(c, id, err, "StoreClose: too many requests "
				"wait; try again");
}
