/* SPDX-License-Identifier: MIT */
/* The requests of stores: waiting for one another, for pins and for room in
 * the output; copying.
 *
 *            start           answered                 answered
 *   ready ───────────▶ PIN ────────────▶ copy, UNPIN ───────────▶ the next
 *     ▲                 │ no pins                                 chunk, or
 *     └─────────────────┘                                         the end */
#include "daemon/stores.h"

#include "common/clock.h"
#include "daemon/conn_input.h"
#include "daemon/daemon.h"
#include "daemon/session.h"
#include <errno.h>
#include <string.h>

enum {
	STEP_PAGES = 256,	/* copied before others have their turn */
	CHUNK_PAGES = 256,	/* at once of one op */
	ASKED_MAX = 64,		/* ops that the pager is at, of all stores */
};

#define PATIENCE_NS	UINT64_C(30000000000)

static uint64_t op_bytes(const struct store_op *op)
{
	return op->count * PAGER_UNIT_BYTES;
}

/* ---- lists */

static void set_due(struct store *store)
{
	if (store->is_due)
		return;
	store->is_due = true;
	store->stores->is_full = false;
	TAILQ_INSERT_TAIL(&store->stores->due, store, due_link);
}

static void set_ready(struct store_op *op)
{
	TAILQ_INSERT_TAIL(&op->store->ready, op, work_link);
	set_due(op->store);
}

/* It was being worked on: it goes on first. */
static void set_ready_again(struct store_op *op)
{
	TAILQ_INSERT_HEAD(&op->store->ready, op, work_link);
	set_due(op->store);
}

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

static void unblock(const struct store_op *op)
{
	struct store_op *after = TAILQ_NEXT(op, link);

	for (; after != NULL; after = TAILQ_NEXT(after, link))
		if (overlap(op, after) && --after->blockers == 0)
			set_ready(after);
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

/* `most`, but of all stores together no more than a quarter of the pool: what
 * many clients leave lying here must not become more than what they may keep.
 * The longest request must fit. */
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
	       store->write_bytes >=
			share(store->stores, STORE_WRITE_BYTES) / parts ||
	       conn_backlog(store->session->main) >=
			backlog_max(store) / parts;
}

void store_op_submit(struct store_op *op)
{
	struct store *store = op->store;

	op->blockers = count_blockers(op);
	TAILQ_INSERT_TAIL(&store->ops, op, link);
	store->op_count++;
	if (op->kind == STORE_OP_WRITE)
		store->write_bytes += op_bytes(op);
	if (op->blockers == 0)
		set_ready(op);
	if (is_over(store, 1))
		conn_hold(store->session->main);
}

static void put_chunk(struct stores *ss, struct store_op *op)
{
	ss->pinned_pages -= op->chunk;
	op->chunk = 0;
	ss->is_full = false;
}

static void stop_reading(struct store_op *op)
{
	if (op->is_reading)
		op->store->reading_bytes -= op_bytes(op);
	op->is_reading = false;
}

/* Its place in the store is another's.  It is on no list but that. */
static void finish(struct store_op *op)
{
	struct store *store = op->store;

	put_chunk(store->stores, op);
	stop_reading(op);
	unblock(op);
	TAILQ_REMOVE(&store->ops, op, link);
	store->op_count--;
	if (op->kind == STORE_OP_WRITE)
		store->write_bytes -= op_bytes(op);
	set_due(store);
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
		stop_reading(op);
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
		finish(op);
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
		put_chunk(store->stores, op);
		store_op_destroy(op);
	}
	TAILQ_INIT(&store->ready);
}

/* ---- replies */

static struct conn *conn_of(const struct store_op *op)
{
	return op->store->session->main;
}

/* Whoever waited waits no longer. */
static void answered(struct store_op *op)
{
	stop_reading(op);
	op->is_orphan = true;
}

static const char *explain(int error)
{
	switch (error) {
	case -EIO:
		return "the bytes of a slot are lost: the swap file could not "
		       "be read";
	case -ENOMEM:
		return "no page could be brought in: the pool is full of "
		       "pinned pages, or the swap file has failed";
	default:
		return strerror(-error);
	}
}

static void reply_error(struct store_op *op, int error)
{
	if (!op->is_orphan)
		conn_send_error(conn_of(op), op->request_id, error, "%s",
				explain(error));
	answered(op);
}

static void count_done(struct store_op *op)
{
	struct stats *stats = &op->store->stores->daemon->stats;
	uint64_t bytes = op_bytes(op);

	if (op->kind == STORE_OP_READ) {
		stats->store_reads++;
		stats->store_read_bytes += bytes;
		op->store->read_bytes += bytes;
	} else {
		stats->store_writes++;
		stats->store_written_bytes += bytes;
		op->store->written_bytes += bytes;
	}
}

/* Reads of one chunk go straight from the frames to the socket. */
static void reply_bytes(struct store_op *op, const void *bytes)
{
	conn_send_payload(conn_of(op), MEMD__MESSAGE_TYPE__TYPE_STORE_BYTES,
			  op->request_id, bytes, (uint32_t)op_bytes(op));
}

static void copy_read(struct store_op *op, const void *frames, size_t at,
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

/* The chunk is pinned: its frames are here and stay. */
static void copy_chunk(struct daemon *d, struct store_op *op)
{
	size_t at = (size_t)op->done * PAGER_UNIT_BYTES;
	size_t length = (size_t)op->chunk * PAGER_UNIT_BYTES;
	void *frames = backing_bytes(d->engine.backing,
				     op->store->segment->pager_id,
				     op->first + op->done);

	if (op->kind == STORE_OP_WRITE)
		memcpy(frames, op->bytes + at, length);
	else if (!op->is_orphan)
		copy_read(op, frames, at, length);
	op->was_cleared = false;
	if (op->is_orphan || op->done + op->chunk < op->count)
		return;
	count_done(op);
	if (op->kind == STORE_OP_WRITE)
		conn_send_ok(conn_of(op), op->request_id);
	answered(op);
}

/* ---- asking the pager */

static void ask(struct stores *ss, struct store_op *op, uint64_t first,
		uint64_t count, enum pager_advice advice)
{
	struct pending_entry like = { .kind = PENDING_STORE, .store_op = op };
	struct daemon *d = ss->daemon;
	uint64_t cookie;

	if (!pending_add(&d->pending, &like, &cookie)) {
		set_ready_again(op);
		stores_starve(ss);
		return;
	}
	op->is_asked = true;
	ss->asked_count++;
	pager_advise(d->engine.pager, op->store->segment->pager_id, first,
		     count, advice, cookie, clock_now_ns());
	d->engine.wants_run = true;
}

void store_op_answered(struct store_op *op, int result)
{
	struct stores *ss = op->stores;

	op->result = result;
	ss->asked_count--;
	TAILQ_INSERT_TAIL(&ss->answered, op, work_link);
}

static void ask_chunk(struct stores *ss, struct store_op *op,
		      enum pager_advice advice)
{
	ask(ss, op, op->first + op->done, op->chunk, advice);
}

static void take_chunk(struct stores *ss, struct store_op *op)
{
	op->chunk = MIN(MIN(op->count - op->done, op->chunk_max),
			ss->pinned_max - ss->pinned_pages);
	ss->pinned_pages += op->chunk;
}

/* What a read of several chunks is put together in. */
static bool prepare_read(struct store_op *op)
{
	if (op->kind != STORE_OP_READ || op->is_reading)
		return true;
	if (op->chunk < op->count && op->bytes == NULL)
		op->bytes = malloc((size_t)op_bytes(op));
	if (op->chunk < op->count && op->bytes == NULL)
		return false;
	op->is_reading = true;
	op->store->reading_bytes += op_bytes(op);
	return true;
}

/* Have its chunk brought in.  Without memory to read into it ends. */
static void start_pin(struct stores *ss, struct store_op *op)
{
	if (op->chunk == 0)
		take_chunk(ss, op);
	if (prepare_read(op)) {
		ask_chunk(ss, op, PAGER_PIN);
	} else {
		reply_error(op, -ENOMEM);
		finish(op);
	}
}

/* It is on no list; what cannot be asked now is ready again. */
static void start(struct stores *ss, struct store_op *op)
{
	switch (op->step) {
	case STORE_STEP_DISCARD:
		ask(ss, op, op->range[op->range_idx].first,
		    op->range[op->range_idx].count, PAGER_DONTNEED);
		break;
	case STORE_STEP_CLEAR:
		ask_chunk(ss, op, PAGER_DONTNEED);
		break;
	case STORE_STEP_UNPIN:
		ask_chunk(ss, op, PAGER_UNPIN);
		break;
	case STORE_STEP_PIN:
		start_pin(ss, op);
		break;
	}
}

/* ---- its answers */

static void fail(struct store_op *op, int error)
{
	reply_error(op, error);
	finish(op);
}

/* Not now: with fewer pages at once perhaps, or later. */
static void wait_for_pins(struct stores *ss, struct store_op *op)
{
	uint64_t now_ns = clock_now_ns();

	if (op->result == -ENOMEM && op->chunk > 1 && !op->was_cleared) {
		/* What is read in pieces needs a place for them. */
		op->chunk_max = op->chunk / 2;
		stop_reading(op);
		put_chunk(ss, op);
		set_ready_again(op);
		return;
	}
	if (op->waiting_since_ns == 0)
		op->waiting_since_ns = now_ns;
	if (now_ns - op->waiting_since_ns > PATIENCE_NS && !op->was_cleared) {
		fail(op, op->result == -EBUSY ? -ENOMEM : op->result);
		return;
	}
	if (!op->was_cleared) {
		stop_reading(op);
		put_chunk(ss, op);
	}
	set_ready_again(op);
	stores_starve(ss);
}

static void pin_answered(struct stores *ss, struct store_op *op)
{
	if (op->result == 0) {
		op->waiting_since_ns = 0;
		if (!op->is_orphan || op->was_cleared)
			copy_chunk(ss->daemon, op);
		op->step = STORE_STEP_UNPIN;
		start(ss, op);
	} else if (op->is_orphan && !op->was_cleared) {
		finish(op);
	} else if (op->result == -ENOMEM || op->result == -EBUSY) {
		wait_for_pins(ss, op);
	} else if (op->result == -EIO && op->kind == STORE_OP_WRITE &&
		   !op->was_cleared) {
		op->was_cleared = true;
		op->step = STORE_STEP_CLEAR;
		start(ss, op);
	} else {
		fail(op, op->result);
	}
}

static void unpin_answered(struct stores *ss, struct store_op *op)
{
	if (op->result == -EBUSY) {
		set_ready_again(op);
		stores_starve(ss);
		return;
	}
	op->done += op->chunk;
	put_chunk(ss, op);
	op->step = STORE_STEP_PIN;
	if (op->is_orphan)
		finish(op);
	else
		set_ready_again(op);
}

static void clear_answered(struct stores *ss, struct store_op *op)
{
	if (op->result == -EBUSY) {
		set_ready_again(op);
		stores_starve(ss);
		return;
	}
	op->step = STORE_STEP_PIN;
	set_ready_again(op);
}

static void discard_answered(struct stores *ss, struct store_op *op)
{
	if (op->is_orphan) {
		finish(op);
	} else if (op->result == -EBUSY) {
		set_ready_again(op);
		stores_starve(ss);
	} else if (++op->range_idx == op->range_count) {
		ss->daemon->stats.store_discards++;
		finish(op);
	} else {
		set_ready_again(op);
	}
}

static void take_answer(struct stores *ss, struct store_op *op)
{
	op->is_asked = false;
	if (op->store == NULL) {
		put_chunk(ss, op);
		store_op_destroy(op);
		return;
	}
	switch (op->step) {
	case STORE_STEP_PIN:
		pin_answered(ss, op);
		break;
	case STORE_STEP_UNPIN:
		unpin_answered(ss, op);
		break;
	case STORE_STEP_CLEAR:
		clear_answered(ss, op);
		break;
	case STORE_STEP_DISCARD:
		discard_answered(ss, op);
		break;
	}
}

/* ---- starting */

static bool needs_output_room(const struct store_op *op)
{
	return op->kind == STORE_OP_READ && !op->is_reading && !op->is_orphan;
}

/* A reply is made only where the ones before it have gone. */
static bool has_output_room(const struct store_op *op)
{
	const struct store *store = op->store;

	return conn_backlog(store->session->main) + store->reading_bytes +
	       op_bytes(op) <= share(store->stores, STORE_READ_BYTES);
}

static bool has_pin_room(const struct stores *ss, const struct store_op *op)
{
	return op->step != STORE_STEP_PIN || op->chunk != 0 ||
	       ss->pinned_pages < ss->pinned_max;
}

/* The first that can start.  *ret_lacks_pins: one only waits for these.  A read
 * that finds no room for its reply keeps those after it waiting: short ones
 * would take what becomes free, and a long one never have its turn. */
static struct store_op *pick(const struct stores *ss,
			     const struct store *store, bool *ret_lacks_pins)
{
	bool is_output_full = false;
	struct store_op *op;

	TAILQ_FOREACH(op, &store->ready, work_link) {
		if (needs_output_room(op) && !is_output_full)
			is_output_full = !has_output_room(op);
		if (needs_output_room(op) && is_output_full)
			continue;
		if (has_pin_room(ss, op))
			return op;
		*ret_lacks_pins = true;
	}
	return NULL;
}

static void unset_due(struct stores *ss, struct store *store)
{
	TAILQ_REMOVE(&ss->due, store, due_link);
	store->is_due = false;
}

/* Have its client heard again.  That may do anything to the store. */
static bool release(const struct store *store)
{
	if (store->session == NULL || !store->session->main->is_held ||
	    store->session->main->state == CONN_DEAD || is_over(store, 2))
		return false;
	conn_release(store->session->main);
	return true;
}

/* One request of the store that has waited longest. */
static void start_one(struct stores *ss)
{
	for (uint32_t left = ss->count; left > 0; left--) {
		struct store *store = TAILQ_FIRST(&ss->due);
		bool lacks_pins = false;
		struct store_op *op;

		if (store == NULL)
			return;
		unset_due(ss, store);
		op = pick(ss, store, &lacks_pins);
		if (op != NULL) {
			TAILQ_REMOVE(&store->ready, op, work_link);
			set_due(store);
			start(ss, op);
			return;
		}
		if (lacks_pins)
			set_due(store);
		if (release(store))
			return;
	}
	ss->is_full = !TAILQ_EMPTY(&ss->due);
}

static bool can_start(const struct stores *ss)
{
	return !TAILQ_EMPTY(&ss->due) && !ss->is_starved && !ss->is_full &&
	       ss->asked_count < ASKED_MAX;
}

bool stores_have_work(const struct stores *ss)
{
	return !TAILQ_EMPTY(&ss->answered) || can_start(ss);
}

void stores_step(struct daemon *d)
{
	struct stores *ss = &d->stores;
	uint64_t left = STEP_PAGES;
	struct store_op *op;

	while (left > 0 && stores_have_work(ss)) {
		op = TAILQ_FIRST(&ss->answered);
		if (op == NULL) {
			start_one(ss);
			left--;
			continue;
		}
		left -= MIN(left, 1 + op->chunk);
		TAILQ_REMOVE(&ss->answered, op, work_link);
		take_answer(ss, op);
	}
}

void stores_drained(struct session *s)
{
	struct store *store = s->store;

	if (store != NULL &&
	    (s->main->is_held || !TAILQ_EMPTY(&store->ready)))
		set_due(store);
}
