/* SPDX-License-Identifier: MIT */
#include "daemon/lend/store_flow.h"

#include "common/checks.h"
#include "daemon/net/conn_input.h"
#include "daemon/daemon.h"
#include "daemon/serve/session.h"
#include "daemon/lend/store_op.h"
#include "daemon/lend/stores.h"

/* `most`, but of all stores together no more than a quarter of the pool, of
 * replies and of requests each: what many clients leave lying here must not
 * become more than what they may keep.  The longest request must fit. */
static size_t share(const struct stores *ss, size_t most)
{
	uint64_t part = ss->daemon->config.pool_size / 4 / MAX(ss->count, 1u);

	return (size_t)MIN((uint64_t)most,
			   MAX(part, STORE_COUNT_MAX * PAGER_UNIT_BYTES));
}

static size_t backlog_max(const struct store *store)
{
	return share(store->stores, STORE_READ_BYTES) +
	       (size_t)store->stores->daemon->config.session_output / 2;
}

/* Has the client asked for so much that it should wait, `parts` of what is
 * allowed? */
static bool is_over(const struct store *store, unsigned parts)
{
	return store->op_count >= STORE_OPS_MAX / parts ||
	       store->held_bytes >=
			share(store->stores, STORE_WRITE_BYTES) / parts ||
	       conn_backlog(store->session->main) >=
			backlog_max(store) / parts;
}

void store_flow_hold(const struct store *store)
{
	if (is_over(store, 1))
		conn_hold(store->session->main);
}

bool store_flow_release(const struct store *store)
{
	if (store->session == NULL || !store->session->main->is_held ||
	    store->session->main->state == CONN_DEAD || is_over(store, 2))
		return false;
	conn_release(store->session->main);
	return true;
}

bool store_flow_needs_room(const struct store_op *op)
{
	return op->kind == STORE_OP_READ && !op->is_reading && !op->is_orphan;
}

bool store_flow_has_room(const struct store_op *op)
{
	const struct store *store = op->store;
	const struct conn *c = store->session->main;

	return !c->is_full && conn_backlog(c) + store->reading_bytes +
	       store_op_bytes(op) <= share(store->stores, STORE_READ_BYTES);
}
