/* SPDX-License-Identifier: MIT */
/* Bringing pages in from their slots: read, verify, install.
 *
 * A request that fails, or whose bytes do not match their checksum, is read
 * again page by page, so that one bad sector loses one page and a passing
 * fault loses none.  A page that fails twice is LOST; its slot is never used
 * again. */
#include "daemon/pager/internal.h"

#include <errno.h>

/* How many pages from `page` on can be read with it: neighbours that are
 * swapped, as far as frames and staging go. */
static uint32_t load_extent(const struct pager *pg, const struct segment *sg,
			    uint64_t page, uint32_t window)
{
	uint32_t count = 1;
	uint32_t most = MIN(window, (uint32_t)BATCH_PAGES_MAX);

	most = (uint32_t)MIN((uint64_t)most, sg->page_count - page);
	while (count < most &&
	       page_next_used(pg, sg, page + count, 1) == page + count &&
	       pg->page[sg->first + page + count].state == PAGE_SWAPPED &&
	       frame_has_room(pg, sg, count + 1))
		count++;
	return count;
}

/* Start reading `page` (SWAPPED) and up to window - 1 of its successors.
 * False when a frame, staging or a batch is missing; *ret_account as
 * frame_get(). */
bool load_start(struct pager *pg, segment_id segment, uint64_t page,
		uint32_t window, account_id *ret_account, batch_id *ret_batch)
{
	struct segment *sg = &pg->segment[segment];
	uint32_t count = load_extent(pg, sg, page, window);
	uint32_t units = order_units(sg->order), taken;
	batch_id id = batch_get(pg, BATCH_LOAD, sg->order);
	struct batch *b = &pg->batch[id];

	*ret_account = 0;
	if (id == 0)
		return false;
	taken = staging_get(&pg->read_staging, units, count * units,
			    &b->staging_first);
	b->staging_count = taken;
	count = MIN(count, taken / units);
	for (unsigned i = 0; i < count; i++) {
		page_id at = (page_id)(sg->first + page + i);
		struct page *p = &pg->page[at];

		p->frame = frame_get(pg, segment, at, ret_account);
		if (p->frame == 0)
			break;
		p->batch = (uint16_t)id;
		page_enter(pg, sg, at, PAGE_LOADING);
		b->page[i] = at;
		b->segment[i] = segment;
		b->wanted |= UINT64_C(1) << i;
		b->page_count++;
	}
	if (b->page_count == 0) {
		batch_put(pg, id);
		return false;
	}
	batch_trim_staging(pg, b);
	pg->stats.pages_read += b->page_count;
	pg->stats.readahead_pages += b->page_count - 1u;
	*ret_batch = id;
	batch_start(pg, id);
	return true;
}

static void load_verify(struct pager *pg, struct batch *b)
{
	const struct segment *sg = &pg->segment[b->segment[0]];

	for (unsigned i = 0; i < b->page_count; i++) {
		uint64_t bit = UINT64_C(1) << i;
		struct checksum_key key = page_key(pg, sg, b->page[i]);

		if (!(b->wanted & bit) || (b->failed & bit))
			continue;
		if (!checksum_equal(pg->page[b->page[i]].sum,
				    checksum_of(&key, batch_bytes(pg, b, i),
						(size_t)PAGER_UNIT_BYTES
							<< b->order))) {
			pg->stats.checksum_errors++;
			b->failed |= bit;
		}
	}
}

/* The page's frame and batch are not needed any more. */
static void load_release(struct pager *pg, struct segment *sg, page_id id,
			 enum page_state next)
{
	struct page *p = &pg->page[id];

	frame_put(pg, p->frame);
	p->frame = 0;
	p->batch = 0;
	page_enter(pg, sg, id, next);
}

static void load_lose(struct pager *pg, struct segment *sg, page_id id)
{
	slot_id slot = pg->page[id].slot;

	page_set_slot(pg, sg, id, SLOT_NONE);
	slots_quarantine_chain(&pg->slots, slot);
	load_release(pg, sg, id, PAGE_LOST);
	pg->stats.pages_lost++;
}

/* Pages [first, end) of the batch are good: put them into the data file. */
static bool load_install(struct pager *pg, struct batch *b, unsigned first,
			 unsigned end)
{
	segment_id segment = b->segment[0];
	struct segment *sg = &pg->segment[segment];
	uint64_t page = page_index(sg, b->page[first]);

	if (pg->ops->install(pg->ctx, segment, page << b->order,
			     (uint64_t)(end - first) << b->order,
			     batch_bytes(pg, b, first)) != 0)
		return false;
	for (unsigned i = first; i < end; i++) {
		pg->page[b->page[i]].batch = 0;
		page_enter(pg, sg, b->page[i], PAGE_RESIDENT);
		b->settled |= UINT64_C(1) << i;
	}
	return true;
}

static void load_answer(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	waiter_id w;

	while ((w = waiter_pop(pg, &b->waiting)) != 0) {
		struct waiter *wt = &pg->waiter[w];

		if (pg->page[wt->page].state == PAGE_LOST) {
			wt->kind = FAULT_LOST;
			fault_answer(pg, w, 0, 0, -EIO, b->io_ns);
		} else {
			page_id last = b->page[b->page_count - 1];

			fault_answer_resident(pg, w, last - wt->page + 1u,
					      b->io_ns);
		}
	}
}

/* Everything has been read (twice, where that was needed). */
static bool load_settle(struct pager *pg, struct batch *b)
{
	struct segment *sg = &pg->segment[b->segment[0]];
	bool is_dying = sg->state == SEGMENT_DYING, is_complete = true;

	for (unsigned i = 0; i < b->page_count; i++) {
		uint64_t bit = UINT64_C(1) << i;
		unsigned end = i;

		if (b->settled & bit)
			continue;
		if (is_dying) {
			/* An install that failed may have done a part. */
			pg->ops->discard(pg->ctx, b->segment[0],
					 page_index(sg, b->page[i])
						 << sg->order,
					 order_units(sg->order));
			page_drop_slot(pg, sg, b->page[i]);
			load_release(pg, sg, b->page[i], PAGE_ZERO);
		} else if (b->failed & bit) {
			load_lose(pg, sg, b->page[i]);
		} else {
			while (end < b->page_count &&
			       !((b->settled | b->failed) >> end & 1))
				end++;
			if (!load_install(pg, b, i, end))
				is_complete = false;
			i = end - 1;
			continue;
		}
		b->settled |= bit;
	}
	return is_complete;
}

void load_finish(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	bool is_dying = pg->segment[b->segment[0]].state == SEGMENT_DYING;

	if (!is_dying && b->wanted != 0) {
		load_verify(pg, b);
		if (b->failed != 0 && !b->is_retry) {
			b->is_retry = true;
			b->wanted = b->failed;
			b->failed = 0;
			batch_start(pg, id);
			return;
		}
		b->wanted = 0;
	}
	if (!load_settle(pg, b)) {
		pg->stats.install_retries++;
		pg->must_reinstall = true;
		return;
	}
	load_answer(pg, id);
	batch_put(pg, id);
}
