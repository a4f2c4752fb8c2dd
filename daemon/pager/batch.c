/* SPDX-License-Identifier: MIT */
/* I/O of batches.  A batch is cut into requests of neighbouring slots.  They
 * are submitted as far as the store takes them, and counted until all have
 * ended. */
#include "daemon/pager/batch.h"

#include <errno.h>

enum { AHEAD_IO_PLENTY = 64 };

/* The cookie of a request: batch, first page, number of pages. */
static uint64_t cookie_make(batch_id id, unsigned page, unsigned count)
{
	return (uint64_t)id | (uint64_t)page << 32 | (uint64_t)count << 48;
}

bool batch_has_room(const struct pager *pg)
{
	return pg->batches_used - pg->capturing_count < BATCHES_MAX;
}

batch_id batch_get(struct pager *pg, enum batch_kind kind, unsigned order)
{
	batch_id id = pg->batch_free;
	struct batch *b;

	if (kind != BATCH_CAPTURE && !batch_has_room(pg))
		return 0;
	ASSERT(id < pg->batch_table.element_count);
	b = &pg->batch[id];
	pg->batch_free = next_free_entry(id, b->next);
	pg->batches_used++;
	*b = (struct batch){ .kind = (uint8_t)kind, .order = (uint8_t)order };
	return id;
}

void batch_put(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	struct staging *st = b->kind == BATCH_LOAD ? &pg->read_staging :
						     &pg->write_staging;

	ASSERT(b->kind != BATCH_CAPTURE && b->io_pending == 0 &&
	       b->waiting.head == 0 && !b->is_stalled);
	if (b->staging_count != 0)
		staging_put(st, b->staging_first, b->staging_count);
	*b = (struct batch){ .next = pg->batch_free };
	pg->batch_free = id;
	pg->batches_used--;
}

void *batch_bytes(struct pager *pg, const struct batch *b, unsigned page)
{
	const struct staging *st = b->kind == BATCH_LOAD ?
		&pg->read_staging : &pg->write_staging;

	return staging_at(st, b->staging_first + (page << b->order));
}

static slot_id first_slot(const struct pager *pg, const struct batch *b,
			  unsigned page)
{
	return b->kind == BATCH_LOAD ? pg->page[b->page[page]].slot :
				       b->slot[page];
}

/* A place in a walk over the slots of a batch: unit `unit` of page `page` is
 * written to, or read from, `slot`. */
struct place {
	unsigned page;
	uint32_t unit;
	slot_id slot;
};

static void place_skip_unwanted(const struct pager *pg, const struct batch *b,
				struct place *at)
{
	while (at->page < b->page_count && !(b->wanted >> at->page & 1))
		at->page++;
	if (at->page < b->page_count)
		at->slot = first_slot(pg, b, at->page);
}

static void place_step(const struct pager *pg, const struct batch *b,
		       struct place *at)
{
	if (++at->unit < order_units(b->order)) {
		at->slot = slots_next(&pg->slots, at->slot);
		ASSERT(at->slot != SLOT_NONE);
		return;
	}
	at->unit = 0;
	at->page++;
	place_skip_unwanted(pg, b, at);
}

/* Make the longest request that starts at *at, and move *at behind it. */
static struct swap_io next_request(struct pager *pg, batch_id id,
				   struct place *at)
{
	struct batch *b = &pg->batch[id];
	unsigned first_page = at->page, last_page;
	uint32_t unit = (at->page << b->order) + at->unit;
	slot_id slot = at->slot;
	struct swap_io io = {
		.slot = slot - 1,
		.buffer = (uint8_t *)batch_bytes(pg, b, 0) +
			  (size_t)unit * PAGER_UNIT_BYTES,
		.is_write = b->kind == BATCH_EVICT,
		.is_ahead = b->is_ahead,
	};

	do {
		last_page = at->page;
		io.slot_count++;
		place_step(pg, b, at);
	} while (at->page < b->page_count && at->slot == slot + io.slot_count &&
		 slots_are_joined(&pg->slots, at->slot - 1) &&
		 (at->page << b->order) + at->unit == unit + io.slot_count &&
		 io.slot_count < SWAP_IO_SLOTS_MAX &&
		 !(b->is_retry && at->page != last_page));
	io.cookie = cookie_make(id, first_page, last_page - first_page + 1);
	return io;
}

/* How many requests readahead may occupy: half of what the store takes, so that
 * a fault finds room. */
static uint32_t ahead_io_max(const struct pager *pg)
{
	return pg->config.requests_max == 0 ? AHEAD_IO_PLENTY :
		MAX(pg->config.requests_max / 2, 1u);
}

/* Submit the rest of the batch.  False if the store takes no more. */
static bool submit_on(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	struct place at = { b->cursor_page, b->cursor_unit, b->cursor_slot };

	while (at.page < b->page_count) {
		struct swap_io io = next_request(pg, id, &at);

		if ((b->is_ahead && pg->ahead_io >= ahead_io_max(pg)) ||
		    pg->ops->submit(pg->ctx, &io) != 0)
			return false;
		b->io_pending++;
		b->ahead_io = (uint16_t)(b->ahead_io + b->is_ahead);
		pg->ahead_io += b->is_ahead;
		b->cursor_page = (uint16_t)at.page;
		b->cursor_unit = at.unit;
		b->cursor_slot = at.slot;
	}
	return true;
}

bool batch_submit_fill(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	const struct swap_io io = {
		.slot = b->slot[0] - 1,
		.slot_count = b->fill_count,
		.buffer = batch_bytes(pg, b, 0),
		.is_write = true,
		.cookie = cookie_make(id, 0, 1),
	};

	if (pg->ops->submit(pg->ctx, &io) != 0)
		return false;
	b->io_pending++;
	return true;
}

static void batch_push(struct pager *pg, struct batch_queue *q, batch_id id)
{
	pg->batch[id].next = 0;
	if (q->head == 0)
		q->head = id;
	else
		pg->batch[q->tail].next = id;
	q->tail = id;
}

static void batch_unlink(struct pager *pg, struct batch_queue *q, batch_id id)
{
	batch_id before = 0;

	for (batch_id at = q->head; at != id; at = pg->batch[at].next)
		before = at;
	if (before == 0)
		q->head = pg->batch[id].next;
	else
		pg->batch[before].next = pg->batch[id].next;
	if (q->tail == id)
		q->tail = before;
	pg->batch[id].next = 0;
}

static struct batch_queue *stalled_queue(struct pager *pg,
					 const struct batch *b)
{
	return &pg->stalled[swap_class_of(b->kind == BATCH_EVICT,
					  b->is_ahead)];
}

/* Submit the batch as far as the store takes it.  Batches of its class that
 * came earlier go first. */
static void submit_or_stall(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	struct batch_queue *q = stalled_queue(pg, b);

	b->is_stalled = q->head != 0 || !submit_on(pg, id);
	if (b->is_stalled)
		batch_push(pg, q, id);
}

void batch_hurry(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	bool is_stalled = b->is_stalled;

	if (!b->is_ahead)
		return;
	if (is_stalled)
		batch_unlink(pg, stalled_queue(pg, b), id);
	b->is_ahead = false;
	pg->ahead_io -= b->ahead_io;
	b->ahead_io = 0;
	if (is_stalled)
		submit_or_stall(pg, id);
}

void batch_start(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	struct place at = { 0 };

	place_skip_unwanted(pg, b, &at);
	b->cursor_page = (uint16_t)at.page;
	b->cursor_unit = 0;
	b->cursor_slot = at.slot;
	if (at.page < b->page_count)
		submit_or_stall(pg, id);
}

void batch_trim_staging(struct pager *pg, struct batch *b)
{
	struct staging *st = b->kind == BATCH_LOAD ? &pg->read_staging :
						     &pg->write_staging;
	uint32_t used = (uint32_t)b->page_count << b->order;

	if (used < b->staging_count)
		staging_put(st, b->staging_first + used,
			    b->staging_count - used);
	b->staging_count = used;
}

static void resume_queue(struct pager *pg, struct batch_queue *q)
{
	while (q->head != 0 && submit_on(pg, q->head)) {
		pg->batch[q->head].is_stalled = false;
		batch_unlink(pg, q, q->head);
	}
}

void batch_resume_stalled(struct pager *pg)
{
	for (unsigned c = 0; c < SWAP_CLASSES; c++)
		resume_queue(pg, &pg->stalled[c]);
}

/* True if the error says nothing against the slot: the store is full, or has
 * lost the content. */
static bool is_mild(int error)
{
	return error == 0 || error == -ENOSPC || error == -SWAP_ELOST;
}

/* The request for pages [page, page + count) of the batch has failed. */
static void note_failure(struct pager *pg, struct batch *b, unsigned page,
			 unsigned count, int error)
{
	if (b->kind == BATCH_LOAD)
		pg->stats.read_errors += error != -SWAP_ELOST;
	else
		pg->stats.write_errors++;
	for (unsigned i = page; i < page + count; i++) {
		b->failed |= UINT64_C(1) << i;
		/* A page may have several requests: the worst error counts. */
		if (is_mild(b->error[i]))
			b->error[i] = error;
	}
}

/* The store is full, or has no memory or threads for the request. */
bool batch_spares_slot(int error)
{
	return error == -ENOSPC || error == -EAGAIN || error == -ENOMEM ||
	       error == -ECANCELED;
}

batch_id batch_io_done(struct pager *pg, uint64_t io_cookie, int result)
{
	batch_id id = (batch_id)io_cookie;
	struct batch *b = &pg->batch[id];

	ASSERT(b->kind != BATCH_FREE && b->io_pending > 0);
	b->io_pending--;
	pg->ahead_io -= b->ahead_io > 0;
	b->ahead_io = (uint16_t)(b->ahead_io - (b->ahead_io > 0));
	if (result != 0)
		note_failure(pg, b, (unsigned)(io_cookie >> 32 & 0xffff),
			     (unsigned)(io_cookie >> 48), result);
	batch_resume_stalled(pg);
	if (b->io_pending > 0 || b->is_stalled)
		return 0;
	b->io_ns = pg->now_ns;
	return id;
}

void batch_close(struct pager *pg, batch_id id, enum batch_end end)
{
	if (end == BATCH_SETTLED)
		batch_put(pg, id);
	else if (end == BATCH_STARVED)
		batch_push(pg, &pg->starved, id);
}

batch_id batch_take_starved(struct pager *pg)
{
	batch_id id = pg->starved.head;

	if (id != 0)
		batch_unlink(pg, &pg->starved, id);
	return id;
}
