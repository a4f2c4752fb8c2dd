/* SPDX-License-Identifier: MIT */
#include "daemon/lend/guest_op.h"

#include "common/checks.h"
#include "daemon/lend/guest_flow.h"
#include "daemon/lend/guest_due.h"
#include <stdlib.h>

enum { CHUNK_PAGES = 256 };	/* most pages of one request that are pinned at
				 * once */

/* ---- order */

static bool ranges_meet(uint64_t first, uint64_t count, uint64_t other,
			uint64_t other_count)
{
	return first < other + other_count && other < first + count;
}

static bool touches(const struct guest_op *op, uint64_t first, uint64_t count)
{
	if (op->kind != GUEST_OP_DISCARD)
		return ranges_meet(op->first, op->count, first, count);
	for (uint32_t i = 0; i < op->range_count; i++)
		if (ranges_meet(op->range[i].first, op->range[i].count, first,
				count))
			return true;
	return false;
}

/* Two discards are compared only by the slots from first to last. */
static bool overlap(const struct guest_op *a, const struct guest_op *b)
{
	if (!ranges_meet(a->first, a->count, b->first, b->count))
		return false;
	return a->kind == GUEST_OP_DISCARD ? touches(a, b->first, b->count) :
					     touches(b, a->first, a->count);
}

static uint32_t count_blockers(const struct guest_op *op)
{
	const struct guest_op *before;
	uint32_t count = 0;

	TAILQ_FOREACH(before, &op->guest->ops, link)
		count += overlap(before, op);
	return count;
}

static void set_ready(struct guest_op *op)
{
	TAILQ_INSERT_TAIL(&op->guest->ready, op, work_link);
	guest_due_add(op->guest);
}

static void unblock(const struct guest_op *op)
{
	struct guest_op *after = TAILQ_NEXT(op, link);

	for (; after != NULL; after = TAILQ_NEXT(after, link))
		if (overlap(op, after) && --after->blockers == 0)
			set_ready(after);
}

void guest_op_requeue(struct guest_op *op)
{
	TAILQ_INSERT_HEAD(&op->guest->ready, op, work_link);
	/* Also if the guest is due already and was found to lack pins. */
	op->guests->is_full = false;
	guest_due_add(op->guest);
}

/* ---- chunk and reply */

/* Memory that the client has filled with this request. */
static uint64_t held_bytes(const struct guest_op *op)
{
	switch (op->kind) {
	case GUEST_OP_WRITE:
		return guest_op_bytes(op);
	case GUEST_OP_DISCARD:
		return op->range_count * sizeof(*op->range);
	case GUEST_OP_READ:
		break;
	}
	return 0;
}

void guest_op_take_chunk(struct guest_op *op)
{
	struct guests *gs = op->guests;

	op->chunk = MIN(MIN(op->count - op->done, op->chunk_max),
			gs->pinned_max - gs->pinned_pages);
	gs->pinned_pages += op->chunk;
}

void guest_op_put_chunk(struct guest_op *op)
{
	struct guests *gs = op->guests;

	gs->pinned_pages -= op->chunk;
	op->chunk = 0;
	gs->is_full = false;
}

void guest_op_stop_reading(struct guest_op *op)
{
	if (op->is_reading)
		op->guest->reading_bytes -= guest_op_bytes(op);
	op->is_reading = false;
}

/* ---- life cycle */

struct guest_op *guest_op_create(struct guest *guest, enum guest_op_kind kind,
				 uint64_t request_id, uint64_t first,
				 uint64_t count)
{
	struct guest_op *op = calloc(1, sizeof(*op));

	if (op == NULL)
		return NULL;
	op->guests = guest->guests;
	op->guest = guest;
	op->kind = kind;
	op->step = kind == GUEST_OP_DISCARD ? GUEST_STEP_DISCARD :
					      GUEST_STEP_PIN;
	op->request_id = request_id;
	op->first = first;
	op->count = count;
	op->chunk_max = MIN((uint64_t)CHUNK_PAGES,
			    MAX(guest->guests->pinned_max / 4, 1u));
	return op;
}

void guest_op_destroy(struct guest_op *op)
{
	if (op == NULL)
		return;
	free(op->bytes);
	free(op->range);
	free(op);
}

void guest_op_submit(struct guest_op *op)
{
	struct guest *guest = op->guest;

	op->blockers = count_blockers(op);
	TAILQ_INSERT_TAIL(&guest->ops, op, link);
	guest->op_count++;
	guest->held_bytes += held_bytes(op);
	if (op->blockers == 0)
		set_ready(op);
	guest_flow_hold(guest);
}

void guest_op_finish(struct guest_op *op)
{
	struct guest *guest = op->guest;

	guest_op_put_chunk(op);
	guest_op_stop_reading(op);
	unblock(op);
	TAILQ_REMOVE(&guest->ops, op, link);
	guest->op_count--;
	guest->held_bytes -= held_bytes(op);
	guest_due_add(guest);
	guest_op_destroy(op);
}

/* Whether the request can end now: it has no pinned pages, and no pages whose
 * old bytes are gone and whose new bytes are not written. */
static bool may_end(const struct guest_op *op)
{
	return !op->is_asked && op->step != GUEST_STEP_UNPIN &&
	       !op->was_cleared;
}

static void forget_receiving(struct guest *guest)
{
	guest_op_destroy(guest->receiving);
	guest->receiving = NULL;
}

void guest_orphan_ops(struct guest *guest)
{
	struct guest_op *op, *next;

	forget_receiving(guest);
	TAILQ_FOREACH(op, &guest->ops, link) {
		op->is_orphan = true;
		guest_op_stop_reading(op);
	}
	/* Backwards, so that the end of one request does not make a later one
	 * ready that ends here as well. */
	for (op = TAILQ_LAST(&guest->ops, guest_op_list); op != NULL;
	     op = next) {
		next = TAILQ_PREV(op, guest_op_list, link);
		if (!may_end(op))
			continue;
		if (op->blockers == 0)
			TAILQ_REMOVE(&guest->ready, op, work_link);
		guest_op_finish(op);
	}
}

void guest_drop_ops(struct guest *guest)
{
	struct guest_op *op;

	forget_receiving(guest);
	while ((op = TAILQ_FIRST(&guest->ops)) != NULL) {
		TAILQ_REMOVE(&guest->ops, op, link);
		op->guest = NULL;
		if (op->is_asked)
			continue;
		guest_op_put_chunk(op);
		guest_op_destroy(op);
	}
	TAILQ_INIT(&guest->ready);
}
