/* SPDX-License-Identifier: MIT */
#include "daemon/lend/guest_step.h"

#include "common/clock.h"
#include "daemon/net/awake.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/pending.h"
#include "daemon/serve/session.h"
#include "daemon/lend/guest_op.h"
#include "daemon/lend/guest_due.h"
#include <errno.h>
#include <string.h>

/* Longer than the other host waits for a reply.  So that host takes the silence
 * for an outage, and if it has a mirror, goes on with the other copy.  An error
 * that says "try again" would make it wait for this memd. */
#define PATIENCE_NS	UINT64_C(30000000000)

/* ---- replies */

static struct conn *conn_of(const struct guest_op *op)
{
	return op->guest->session->main;
}

/* The client waits no longer for the request. */
static void end_waiting(struct guest_op *op)
{
	guest_op_stop_reading(op);
	op->is_orphan = true;
}

static const char *explain_to_guest(int error)
{
	switch (error) {
	case -EIO:
		return "the bytes of a slot are lost: swap could not be "
		       "read";
	case -ENOMEM:
		return "no page could be brought in: the pool is full of "
		       "pinned pages, or swap has failed";
	default:
		return strerror(-error);
	}
}

static void reply_error(struct guest_op *op, int error)
{
	if (!op->is_orphan)
		conn_send_error(conn_of(op), op->request_id, error, "%s",
				explain_to_guest(error));
	end_waiting(op);
}

static void count_done(struct guest_op *op)
{
	struct stats *stats = op->guest->guests->stats;
	uint64_t bytes = guest_op_bytes(op);

	if (op->kind == GUEST_OP_READ) {
		stats->guest_reads++;
		stats->guest_read_bytes += bytes;
		op->guest->read_bytes += bytes;
	} else {
		stats->guest_writes++;
		stats->guest_written_bytes += bytes;
		op->guest->written_bytes += bytes;
	}
}

/* A read of one chunk is sent directly from the frames. */
static void reply_bytes(struct guest_op *op, const void *bytes)
{
	conn_send_payload(conn_of(op), MEMD__MESSAGE_TYPE__TYPE_STORE_BYTES,
			  op->request_id, bytes, (uint32_t)guest_op_bytes(op));
}

static void copy_read(struct guest_op *op, const void *frames, size_t at,
		      size_t length)
{
	bool is_last = op->done + op->chunk == op->count;

	if (op->bytes == NULL) {
		ASSERT(is_last && at == 0);
		reply_bytes(op, frames);
	} else {
		memcpy(op->bytes + at, frames, length);
		if (is_last)
			reply_bytes(op, op->bytes);
	}
}

/* Copy the current chunk, and reply if it is the last.  Its frames are pinned,
 * or are resident until the pager is called next. */
static void copy_chunk(struct guest_op *op)
{
	struct guests *gs = op->guests;
	size_t at = (size_t)op->done * PAGER_UNIT_BYTES;
	size_t length = (size_t)op->chunk * PAGER_UNIT_BYTES;
	void *frames = backing_bytes(gs->engine->backing,
				     op->guest->segment->pager_id,
				     op->first + op->done);

	if (op->kind == GUEST_OP_WRITE)
		memcpy(frames, op->bytes + at, length);
	else if (!op->is_orphan)
		copy_read(op, frames, at, length);
	op->was_cleared = false;
	op->waiting_since_ns = 0;
	if (op->is_orphan || op->done + op->chunk < op->count)
		return;
	count_done(op);
	/* A guest that has read a page will soon read the next one. */
	if (op->kind == GUEST_OP_READ)
		awake_note_paging(gs->awake);
	if (op->kind == GUEST_OP_WRITE)
		conn_send_ok(conn_of(op), op->request_id);
	end_waiting(op);
}

/* The page's entry and its bytes are probably not in the CPU cache.  Waiting
 * for them would take longer than everything else done here. */
void guest_step_prefetch(const struct guest *guest, uint64_t first)
{
	const struct engine *e = guest->guests->engine;
	segment_id segment = guest->segment->pager_id;

	pager_prefetch(e->pager, segment, first);
	backing_prefetch(e->backing, segment, first);
}

/* ---- asking the pager */

static void try_later(struct guest_op *op)
{
	guest_op_requeue(op);
	guest_due_starve(op->guest);
}

static void ask_pages_of(struct guest_op *op, uint64_t first, uint64_t count,
		enum pager_advice advice)
{
	struct pending_entry like = { .kind = PENDING_GUEST, .guest_op = op };
	struct guests *gs = op->guests;
	uint64_t cookie;

	if (!pending_add(gs->pending, &like, &cookie)) {
		try_later(op);
		return;
	}
	op->is_asked = true;
	gs->asked_count++;
	engine_advise(gs->engine, op->guest->segment->pager_id, first, count,
		      advice, cookie);
}

void guest_step_answered(struct guest_op *op, int result)
{
	struct guests *gs = op->guests;

	op->result = result;
	gs->asked_count--;
	TAILQ_INSERT_TAIL(&gs->answered, op, work_link);
}

static void ask_chunk(struct guest_op *op, enum pager_advice advice)
{
	ask_pages_of(op, op->first + op->done, op->chunk, advice);
}

/* Allocate the buffer in which a read of several chunks is assembled. */
static bool prepare_read(struct guest_op *op)
{
	if (op->kind != GUEST_OP_READ || op->is_reading)
		return true;
	if (op->chunk < op->count && op->bytes == NULL)
		op->bytes = malloc((size_t)guest_op_bytes(op));
	if (op->chunk < op->count && op->bytes == NULL)
		return false;
	op->is_reading = true;
	op->guest->reading_bytes += guest_op_bytes(op);
	return true;
}

/* The current chunk has been copied and is not pinned. */
static void end_chunk(struct guest_op *op)
{
	op->done += op->chunk;
	guest_op_put_chunk(op);
	op->step = GUEST_STEP_PIN;
	if (op->is_orphan)
		guest_op_finish(op);
	else
		guest_op_requeue(op);
}

/* Resident pages can be read now, before the pager is called again. */
static bool can_read_now(const struct guest_op *op)
{
	return op->kind == GUEST_OP_READ &&
	       pager_use_resident(op->guests->engine->pager,
				  op->guest->segment->pager_id,
				  op->first + op->done, op->chunk);
}

/* Have the next chunk brought in, or copy it if it is resident.  A read that
 * gets no memory for its buffer ends.  Returns how many pages were copied. */
static uint64_t start_pin(struct guest_op *op)
{
	uint64_t copied = 0;

	if (op->chunk == 0)
		guest_op_take_chunk(op);
	if (!prepare_read(op)) {
		reply_error(op, -ENOMEM);
		guest_op_finish(op);
	} else if (can_read_now(op)) {
		copied = op->chunk;
		copy_chunk(op);
		end_chunk(op);
	} else {
		ask_chunk(op, PAGER_PIN);
	}
	return copied;
}

uint64_t guest_step_start(struct guest_op *op)
{
	switch (op->step) {
	case GUEST_STEP_DISCARD:
		ask_pages_of(op, op->range[op->range_idx].first,
		    op->range[op->range_idx].count, PAGER_DONTNEED);
		break;
	case GUEST_STEP_CLEAR:
		ask_chunk(op, PAGER_DONTNEED);
		break;
	case GUEST_STEP_UNPIN:
		ask_chunk(op, PAGER_UNPIN);
		break;
	case GUEST_STEP_PIN:
		return start_pin(op);
	}
	return 0;
}

/* ---- the pager's answers */

static void guest_op_fail(struct guest_op *op, int error)
{
	reply_error(op, error);
	guest_op_finish(op);
}

/* No pins can be had now: try again with fewer pages, or later. */
static void wait_for_pins(struct guest_op *op)
{
	uint64_t now_ns = clock_now_ns();

	if (op->result == -ENOMEM && op->chunk > 1 && !op->was_cleared) {
		/* A read in several chunks needs a buffer, so start it anew. */
		op->chunk_max = op->chunk / 2;
		guest_op_stop_reading(op);
		guest_op_put_chunk(op);
		guest_op_requeue(op);
		return;
	}
	if (op->waiting_since_ns == 0)
		op->waiting_since_ns = now_ns;
	if (now_ns - op->waiting_since_ns > PATIENCE_NS && !op->was_cleared) {
		guest_op_fail(op, op->result == -EBUSY ? -ENOMEM : op->result);
		return;
	}
	if (!op->was_cleared) {
		guest_op_stop_reading(op);
		guest_op_put_chunk(op);
	}
	try_later(op);
}

static void pin_answered(struct guest_op *op)
{
	if (op->result == 0) {
		if (!op->is_orphan || op->was_cleared)
			copy_chunk(op);
		op->step = GUEST_STEP_UNPIN;
		(void)guest_step_start(op);
	} else if (op->is_orphan && !op->was_cleared) {
		guest_op_finish(op);
	} else if (op->result == -ENOMEM || op->result == -EBUSY) {
		wait_for_pins(op);
	} else if (op->result == -EIO && op->kind == GUEST_OP_WRITE &&
		   !op->was_cleared) {
		op->was_cleared = true;
		op->step = GUEST_STEP_CLEAR;
		(void)guest_step_start(op);
	} else {
		guest_op_fail(op, op->result);
	}
}

static void unpin_answered(struct guest_op *op)
{
	if (op->result == -EBUSY) {
		try_later(op);
		return;
	}
	end_chunk(op);
}

static void clear_answered(struct guest_op *op)
{
	if (op->result == -EBUSY) {
		try_later(op);
		return;
	}
	op->step = GUEST_STEP_PIN;
	guest_op_requeue(op);
}

static void discard_answered(struct guest_op *op)
{
	if (op->is_orphan) {
		guest_op_finish(op);
	} else if (op->result == -EBUSY) {
		try_later(op);
	} else if (++op->range_idx == op->range_count) {
		op->guests->stats->guest_discards++;
		guest_op_finish(op);
	} else {
		guest_op_requeue(op);
	}
}

void guest_step_take_answer(struct guest_op *op)
{
	op->is_asked = false;
	if (op->guest == NULL) {
		guest_op_put_chunk(op);
		guest_op_destroy(op);
		return;
	}
	switch (op->step) {
	case GUEST_STEP_PIN:
		pin_answered(op);
		break;
	case GUEST_STEP_UNPIN:
		unpin_answered(op);
		break;
	case GUEST_STEP_CLEAR:
		clear_answered(op);
		break;
	case GUEST_STEP_DISCARD:
		discard_answered(op);
		break;
	}
}
