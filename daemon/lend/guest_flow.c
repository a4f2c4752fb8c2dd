/* SPDX-License-Identifier: MIT */
#include "daemon/lend/guest_flow.h"

#include "common/checks.h"
#include "daemon/net/conn_input.h"
#include "daemon/serve/session.h"
#include "daemon/lend/guest.h"

/* The part of `most` that one guest may have.  All guests together may have a
 * quarter of the pool for replies, and the same for requests: what waits here
 * must not take more memory than the stored pages.  But the longest request
 * always fits. */
static size_t guest_share(const struct guests *gs, size_t most)
{
	uint64_t part = gs->config->pool_size / 4 / MAX(gs->count, 1u);

	return (size_t)MIN((uint64_t)most,
			   MAX(part, GUEST_SLOTS_MAX * PAGER_UNIT_BYTES));
}

static size_t backlog_max(const struct guest *guest)
{
	return guest_share(guest->guests, GUEST_READ_BYTES) +
	       (size_t)guest->guests->config->session_output / 2;
}

/* Whether the guest has reached 1/parts of a limit. */
static bool is_over_limit(const struct guest *guest, unsigned parts)
{
	return guest->op_count >= GUEST_OPS_MAX / parts ||
	       guest->held_bytes >=
			guest_share(guest->guests, GUEST_WRITE_BYTES) / parts ||
	       conn_backlog(guest->session->main) >=
			backlog_max(guest) / parts;
}

void guest_flow_hold(const struct guest *guest)
{
	if (is_over_limit(guest, 1))
		conn_hold(guest->session->main);
}

bool guest_flow_release(const struct guest *guest)
{
	if (guest->session == NULL || !guest->session->main->is_held ||
	    guest->session->main->state == CONN_DEAD || is_over_limit(guest, 2))
		return false;
	conn_release(guest->session->main);
	return true;
}

bool guest_flow_needs_room(const struct guest_op *op)
{
	return op->kind == GUEST_OP_READ && !op->is_reading && !op->is_orphan;
}

bool guest_flow_has_room(const struct guest_op *op)
{
	const struct guest *guest = op->guest;
	const struct conn *c = guest->session->main;

	return !c->is_full &&
	       conn_backlog(c) + guest->reading_bytes + guest_op_bytes(op) <=
			guest_share(guest->guests, GUEST_READ_BYTES);
}
