/* SPDX-License-Identifier: MIT */
/* I/O of a batch: cut into requests of neighbouring slots, submitted as far
 * as the store takes them, counted until all have ended. */
#include "daemon/pager/internal.h"

#include <errno.h>

enum { AHEAD_IO_PLENTY = 64 };

/* A request's cookie: batch, first page, pages. */
static uint64_t cookie_make(batch_id id, unsigned page, unsigned count)
{
	return (uint64_t)id | (uint64_t)page << 32 | (uint64_t)count << 48;
}

batch_id batch_get(struct pager *pg, enum batch_kind kind, unsigned order)
{
	batch_id id = pg->batch_free;
	struct batch *b;

	if (id >= pg->batch_table.element_count)
		return 0;
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

	ASSERT(b->io_pending == 0 && b->waiting.head == 0 && !b->is_stalled);
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

/* Where a walk over the batch's slots stands: unit `unit` of page `page` is
 * to go to (or come from) `slot`. */
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

/* The request that starts at *at; moves *at behind it. */
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
	};

	do {
		last_page = at->page;
		io.slot_count++;
		place_step(pg, b, at);
	} while (at->page < b->page_count && at->slot == slot + io.slot_count &&
		 (at->page << b->order) + at->unit == unit + io.slot_count &&
		 io.slot_count < SWAP_IO_SLOTS_MAX &&
		 !(b->is_retry && at->page != last_page));
	io.cookie = cookie_make(id, first_page, last_page - first_page + 1);
	return io;
}

/* What of the store readahead may occupy, so that a fault finds room there. */
static uint32_t ahead_io_max(const struct pager *pg)
{
	return pg->config.requests_max == 0 ? AHEAD_IO_PLENTY :
		MAX(pg->config.requests_max / 2, 1u);
}

/* Returns false when the store would take no more. */
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

static struct stalled *stalled_list(struct pager *pg, const struct batch *b)
{
	return b->is_ahead ? &pg->stalled_ahead : &pg->stalled;
}

static void stall(struct pager *pg, batch_id id)
{
	struct stalled *list = stalled_list(pg, &pg->batch[id]);

	pg->batch[id].is_stalled = true;
	pg->batch[id].next = 0;
	if (list->head == 0)
		list->head = id;
	else
		pg->batch[list->tail].next = id;
	list->tail = id;
}

static void unstall(struct pager *pg, struct stalled *list, batch_id id)
{
	batch_id before = 0;

	for (batch_id at = list->head; at != id; at = pg->batch[at].next)
		before = at;
	if (before == 0)
		list->head = pg->batch[id].next;
	else
		pg->batch[before].next = pg->batch[id].next;
	if (list->tail == id)
		list->tail = before;
	pg->batch[id].is_stalled = false;
	pg->batch[id].next = 0;
}

void batch_hurry(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	bool is_stalled = b->is_stalled;

	if (!b->is_ahead)
		return;
	if (is_stalled)
		unstall(pg, &pg->stalled_ahead, id);
	b->is_ahead = false;
	pg->ahead_io -= b->ahead_io;
	b->ahead_io = 0;
	if (is_stalled && (pg->stalled.head != 0 || !submit_on(pg, id)))
		stall(pg, id);
}

void batch_start(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	struct place at = { 0 };

	place_skip_unwanted(pg, b, &at);
	b->cursor_page = (uint16_t)at.page;
	b->cursor_unit = 0;
	b->cursor_slot = at.slot;
	if (at.page >= b->page_count)
		return;
	if (stalled_list(pg, b)->head != 0 || !submit_on(pg, id))
		stall(pg, id);
}

/* Give back staging behind the batch's last page. */
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

static void resume(struct pager *pg, struct stalled *list)
{
	while (list->head != 0 && submit_on(pg, list->head))
		unstall(pg, list, list->head);
}

void batch_resume_stalled(struct pager *pg)
{
	resume(pg, &pg->stalled);
	if (pg->stalled.head == 0)
		resume(pg, &pg->stalled_ahead);
}

/* It says nothing against the slot: the medium is full, or has forgotten. */
static bool is_mild(int error)
{
	return error == 0 || error == -ENOSPC || error == -SWAP_ELOST;
}

static void batch_finish(struct pager *pg, batch_id id)
{
	pg->batch[id].io_ns = pg->now_ns;
	if (pg->batch[id].kind == BATCH_LOAD)
		load_finish(pg, id);
	else
		evict_finish(pg, id);
}

void pager_io_done(struct pager *pg, uint64_t io_cookie, int result,
		   uint64_t now_ns)
{
	batch_id id = (batch_id)io_cookie;
	unsigned page = (unsigned)(io_cookie >> 32 & 0xffff);
	unsigned count = (unsigned)(io_cookie >> 48);
	struct batch *b = &pg->batch[id];

	pg->now_ns = now_ns;
	ASSERT(b->kind != BATCH_FREE && b->io_pending > 0);
	b->io_pending--;
	pg->ahead_io -= b->ahead_io > 0;
	b->ahead_io = (uint16_t)(b->ahead_io - (b->ahead_io > 0));
	pg->futile_units = 0;	/* a page that came in may leave as it is */
	if (result != 0) {
		if (b->kind == BATCH_LOAD)
			pg->stats.read_errors += result != -SWAP_ELOST;
		else
			pg->stats.write_errors++;
		for (unsigned i = page; i < page + count; i++) {
			b->failed |= UINT64_C(1) << i;
			/* A page may have several: the worst one counts. */
			if (is_mild(b->error[i]))
				b->error[i] = result;
		}
	}
	batch_resume_stalled(pg);
	if (b->io_pending > 0 || b->is_stalled)
		return;
	batch_finish(pg, id);
	pg->is_teardown_due |= pg->dying_count != 0;
	fault_retry_waiting(pg);
	advice_step_all(pg);
	(void)ahead_run(pg);
}
