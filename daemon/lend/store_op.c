/* SPDX-License-Identifier: MIT */
#include "daemon/lend/store_op.h"

#include "common/checks.h"
#include "daemon/lend/store_flow.h"
#include "daemon/lend/store_schedule.h"
#include "daemon/lend/stores.h"
#include <stdlib.h>

enum { CHUNK_PAGES = 256 };	/* at once of one op */

/* ---- their order */

static bool ranges_meet(uint64_t first, uint64_t count, uint64_t other,
			uint64_t other_count)
{
	return first < other + other_count && other < first + count;
}

static bool touches(const struct store_op *op, uint64_t first, uint64_t count)
{
	if (op->kind != STORE_OP_DISCARD)
		return ranges_meet(op->first, op->count, first, count);
	for (uint32_t i = 0; i < op->range_count; i++)
		if (ranges_meet(op->range[i].first, op->range[i].count, first,
				count))
			return true;
	return false;
}

/* Of two discards no more is looked at than from where to where they go. */
static bool overlap(const struct store_op *a, const struct store_op *b)
{
	if (!ranges_meet(a->first, a->count, b->first, b->count))
		return false;
	return a->kind == STORE_OP_DISCARD ? touches(a, b->first, b->count) :
					     touches(b, a->first, a->count);
}

static uint32_t count_blockers(const struct store_op *op)
{
	const struct store_op *before;
	uint32_t count = 0;

	TAILQ_FOREACH(before, &op->store->ops, link)
		count += overlap(before, op);
	return count;
}

static void set_ready(struct store_op *op)
{
	TAILQ_INSERT_TAIL(&op->store->ready, op, work_link);
	store_schedule_add(op->store);
}

static void unblock(const struct store_op *op)
{
	struct store_op *after = TAILQ_NEXT(op, link);

	for (; after != NULL; after = TAILQ_NEXT(after, link))
		if (overlap(op, after) && --after->blockers == 0)
			set_ready(after);
}

void store_op_requeue(struct store_op *op)
{
	TAILQ_INSERT_HEAD(&op->store->ready, op, work_link);
	/* Also where its store is due already, and found to be in want. */
	op->stores->is_full = false;
	store_schedule_add(op->store);
}

/* ---- its chunk, its reply */

uint64_t store_op_bytes(const struct store_op *op)
{
	return op->count * PAGER_UNIT_BYTES;
}

/* What the client has put into our memory with it. */
static uint64_t held_bytes(const struct store_op *op)
{
	switch (op->kind) {
	case STORE_OP_WRITE:
		return store_op_bytes(op);
	case STORE_OP_DISCARD:
		return op->range_count * sizeof(*op->range);
	case STORE_OP_READ:
		break;
	}
	return 0;
}

void store_op_take_chunk(struct store_op *op)
{
	struct stores *ss = op->stores;

	op->chunk = MIN(MIN(op->count - op->done, op->chunk_max),
			ss->pinned_max - ss->pinned_pages);
	ss->pinned_pages += op->chunk;
}

void store_op_put_chunk(struct store_op *op)
{
	struct stores *ss = op->stores;

	ss->pinned_pages -= op->chunk;
	op->chunk = 0;
	ss->is_full = false;
}

void store_op_stop_reading(struct store_op *op)
{
	if (op->is_reading)
		op->store->reading_bytes -= store_op_bytes(op);
	op->is_reading = false;
}

/* ---- coming and going */

struct store_op *store_op_create(struct store *store, enum store_op_kind kind,
				 uint64_t request_id, uint64_t first,
				 uint64_t count)
{
	struct store_op *op = calloc(1, sizeof(*op));

	if (op == NULL)
		return NULL;
	op->stores = store->stores;
	op->store = store;
	op->kind = kind;
	op->step = kind == STORE_OP_DISCARD ? STORE_STEP_DISCARD :
					      STORE_STEP_PIN;
	op->request_id = request_id;
	op->first = first;
	op->count = count;
	op->chunk_max = MIN((uint64_t)CHUNK_PAGES,
			    MAX(store->stores->pinned_max / 4, 1u));
	return op;
}

void store_op_destroy(struct store_op *op)
{
	if (op == NULL)
		return;
	free(op->bytes);
	free(op->range);
	free(op);
}

void store_op_submit(struct store_op *op)
{
	struct store *store = op->store;

	op->blockers = count_blockers(op);
	TAILQ_INSERT_TAIL(&store->ops, op, link);
	store->op_count++;
	store->held_bytes += held_bytes(op);
	if (op->blockers == 0)
		set_ready(op);
	store_flow_hold(store);
}

void store_op_finish(struct store_op *op)
{
	struct store *store = op->store;

	store_op_put_chunk(op);
	store_op_stop_reading(op);
	unblock(op);
	TAILQ_REMOVE(&store->ops, op, link);
	store->op_count--;
	store->held_bytes -= held_bytes(op);
	store_schedule_add(store);
	store_op_destroy(op);
}

/* Whether it can end here: no page is pinned, or empty where bytes should
 * be. */
static bool may_end(const struct store_op *op)
{
	return !op->is_asked && op->step != STORE_STEP_UNPIN &&
	       !op->was_cleared;
}

static void forget_receiving(struct store *store)
{
	store_op_destroy(store->receiving);
	store->receiving = NULL;
}

void store_orphan_ops(struct store *store)
{
	struct store_op *op, *next;

	forget_receiving(store);
	TAILQ_FOREACH(op, &store->ops, link) {
		op->is_orphan = true;
		store_op_stop_reading(op);
	}
	/* From the last on, so that none becomes ready by the end of another
	 * that goes too. */
	for (op = TAILQ_LAST(&store->ops, store_op_list); op != NULL;
	     op = next) {
		next = TAILQ_PREV(op, store_op_list, link);
		if (!may_end(op))
			continue;
		if (op->blockers == 0)
			TAILQ_REMOVE(&store->ready, op, work_link);
		store_op_finish(op);
	}
}

void store_drop_ops(struct store *store)
{
	struct store_op *op;

	forget_receiving(store);
	while ((op = TAILQ_FIRST(&store->ops)) != NULL) {
		TAILQ_REMOVE(&store->ops, op, link);
		op->store = NULL;
		if (op->is_asked)
			continue;
		store_op_put_chunk(op);
		store_op_destroy(op);
	}
	TAILQ_INIT(&store->ready);
}
