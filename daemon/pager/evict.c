/* SPDX-License-Identifier: MIT */
/* Taking pages out: captured into staging, compared with what their slots
 * hold, and written if they differ.
 *
 *   all zero            no slot, no write; the frame is free at once
 *   same as its slot    no write; the frame is free at once (but if the store
 *                       is known to have lost that: as below)
 *   else                a new slot; the frame is free when the write has
 *                       succeeded.  Until then the page is EVICTING and a
 *                       fault gets the staged bytes back.
 *
 * E1  A frame is put only when its page's bytes are zero, or in a slot whose
 *     write has ended well, or unwanted (discarded, segment dying).
 * E2  A slot is put only when no request for it is in flight.
 * E3  An EVICTING page's staged bytes are never moved or changed after its
 *     write was submitted. */
#include "daemon/pager/internal.h"

#include <errno.h>
#include <string.h>

enum {
	EVICT_UNITS_MAX = 256,		/* 1 MiB: one pipe, one request */
	EVICT_AGAIN_NS = 100000000,	/* after all was in vain */
	SLOT_LOOKS = 1024,		/* for a batch */
};

bool evict_is_candidate(const struct pager *pg, page_id id)
{
	const struct page *p = &pg->page[id];
	const struct frame *fr = &pg->frame[p->frame];
	const struct pager_segment *sg = &pg->segment[fr->segment];

	return p->state == PAGE_RESIDENT &&
	       !(p->flags & (PAGE_WRITING | PAGE_LEAVING)) && fr->pins == 0 &&
	       sg->state == SEGMENT_LIVE && !sg->is_stuck;
}

static batch_id evict_begin(struct pager *pg, unsigned order)
{
	batch_id id = batch_get(pg, BATCH_EVICT, order);
	struct batch *b = &pg->batch[id];
	uint32_t units = order_units(order);
	uint32_t most = MIN(BATCH_PAGES_MAX * units,
			    MAX(units, (uint32_t)EVICT_UNITS_MAX));

	if (id == 0)
		return 0;
	b->staging_count = staging_get(&pg->write_staging,
				       staging_all(&pg->write_staging),
				       units, most,
				       &b->staging_first);
	if (b->staging_count != 0)
		return id;
	batch_put(pg, id);
	return 0;
}

/* Pages chosen for a batch, to be captured all at once: that is a switch to
 * another process and back, which one for each run would make dear. */
struct leaving {
	struct pager_capture run[BATCH_PAGES_MAX];
	unsigned run_count;
	uint32_t page_count;
};
_Static_assert((int)BATCH_PAGES_MAX <= (int)PAGER_CAPTURES_MAX,
	       "a batch is captured at once");

static uint32_t evict_room(const struct batch *b, const struct leaving *lv)
{
	uint32_t pages = b->staging_count >> b->order;

	return MIN(pages, (uint32_t)BATCH_PAGES_MAX) - lv->page_count;
}

static bool has_lost_slot(const struct pager *pg, slot_id slot)
{
	if (pg->ops->is_slot_lost == NULL)
		return false;
	for (; slot != SLOT_NONE; slot = slots_next(&pg->slots, slot))
		if (pg->ops->is_slot_lost(pg->ctx, slot - 1))
			return true;
	return false;
}

static bool is_unchanged(const struct pager *pg, const struct pager_segment *sg,
			 page_id id, struct checksum_content content)
{
	struct checksum_key key = page_key(pg, sg, id);

	return pg->page[id].slot != SLOT_NONE &&
	       checksum_equal(pg->page[id].sum,
			      checksum_with_key(content, &key));
}

/* A page has been captured at `bytes`: free its frame if nothing needs to be
 * written, else make it page number b->page_count of the batch. */
static void evict_sort(struct pager *pg, struct batch *b, segment_id segment,
		       page_id id, const void *bytes)
{
	struct pager_segment *sg = &pg->segment[segment];
	size_t length = (size_t)PAGER_UNIT_BYTES << sg->order;
	struct page *p = &pg->page[id];
	struct checksum_content content;
	struct checksum_key key;
	void *to;

	page_enter(pg, sg, id, PAGE_EVICTING);
	p->flags &= (uint8_t)~PAGE_PARTIAL;
	if (checksum_is_all_zero(bytes, length)) {
		page_drop_slot(pg, sg, id);
		page_release(pg, sg, id, PAGE_ZERO);
		pg->stats.evicted_zero++;
		return;
	}
	content = checksum_content_of(bytes, length);
	if (is_unchanged(pg, sg, id, content) && !has_lost_slot(pg, p->slot)) {
		page_release(pg, sg, id, PAGE_SWAPPED);
		pg->stats.evicted_clean++;
		return;
	}
	to = batch_bytes(pg, b, b->page_count);
	if (to != bytes)
		memmove(to, bytes, length);
	p->generation++;
	key = page_key(pg, sg, id);
	p->sum = checksum_with_key(content, &key);
	p->batch = (uint16_t)(b - pg->batch);
	b->page[b->page_count] = id;
	b->segment[b->page_count] = segment;
	b->page_count++;
}

/* Choose `count` neighbouring candidates, for which the batch has room. */
static void evict_choose(struct pager *pg, struct batch *b, struct leaving *lv,
			 segment_id segment, uint64_t first, uint32_t count)
{
	const struct pager_segment *sg = &pg->segment[segment];

	ASSERT(count <= evict_room(b, lv));
	lv->run[lv->run_count++] = (struct pager_capture){
		.segment = segment,
		.unit = first << sg->order,
		.count = (uint64_t)count << sg->order,
		.to = batch_bytes(pg, b, lv->page_count),
	};
	lv->page_count += count;
	for (uint32_t i = 0; i < count; i++)
		pg->page[sg->first + first + i].flags |= PAGE_LEAVING;
}

/* Its memory failed while it was captured.  Its slot, if it had one, may hold
 * what it was before. */
static void evict_lose(struct pager *pg, struct pager_segment *sg, page_id id)
{
	page_enter(pg, sg, id, PAGE_EVICTING);
	pg->page[id].flags &= (uint8_t)~PAGE_PARTIAL;
	page_drop_slot(pg, sg, id);
	page_release(pg, sg, id, PAGE_LOST);
	pg->stats.pages_lost++;
}

/* Are bytes of page `i` of the run lost? */
static bool has_lost_bytes(const struct pager_capture *run, unsigned order,
			   uint32_t i)
{
	uint64_t unit = run->unit + ((uint64_t)i << order);

	return unit < run->lost_end && run->lost < unit + order_units(order);
}

/* Sort the pages of a run that was captured, or not.  Returns how many are
 * out. */
static uint32_t evict_sort_run(struct pager *pg, struct batch *b,
			       const struct pager_capture *run)
{
	struct pager_segment *sg = &pg->segment[run->segment];
	size_t length = (size_t)PAGER_UNIT_BYTES << sg->order;
	uint32_t count = (uint32_t)(run->count >> sg->order);
	page_id first = (page_id)(sg->first + (run->unit >> sg->order));
	const uint8_t *bytes = run->to;

	for (uint32_t i = 0; i < count; i++) {
		pg->page[first + i].flags &= (uint8_t)~PAGE_LEAVING;
		if (run->error != 0)
			page_keep(pg, first + i);
		else if (has_lost_bytes(run, sg->order, i))
			evict_lose(pg, sg, first + i);
		else
			evict_sort(pg, b, run->segment, first + i,
				   bytes + i * length);
	}
	if (run->error == -ENOTRECOVERABLE)
		sg->is_stuck = true;	/* its client's doing, and told apart */
	else if (run->error != 0)
		pg->stats.capture_errors++;
	return run->error != 0 ? 0 : count;
}

/* Capture what has been chosen into the batch.  Returns how many pages were
 * taken out. */
static uint32_t evict_capture(struct pager *pg, struct batch *b,
			      struct leaving *lv)
{
	uint32_t taken = 0;

	if (lv->run_count != 0)
		pg->ops->capture(pg->ctx, lv->run, lv->run_count);
	/* In their order: what stays moves down in staging. */
	for (unsigned i = 0; i < lv->run_count; i++)
		taken += evict_sort_run(pg, b, &lv->run[i]);
	pg->stats.evicted += taken;
	return taken;
}

/* Take the slot of the frame's page, if it keeps one in case it stays
 * clean. */
static void reclaim_slot(struct pager *pg, frame_id id)
{
	const struct frame *fr = &pg->frame[id];
	const struct page *p = &pg->page[fr->page];

	if (fr->page == 0 || p->state != PAGE_RESIDENT || p->slot == SLOT_NONE)
		return;
	if (p->flags & PAGE_WRITING)
		frame_line_add(pg, &pg->slotted_line, id);
	else
		page_drop_slot(pg, &pg->segment[fr->segment], fr->page);
}

/* Take such slots until `count` are free.  Where the line is long and most in
 * it have gone, the rest is for the next time. */
static void reclaim_slots(struct pager *pg, uint32_t count)
{
	uint32_t left = MIN(pg->slotted_line.count, (uint32_t)SLOT_LOOKS);

	for (; left > 0 && pg->slots.free_count < count; left--) {
		pg->stats.frames_examined++;
		reclaim_slot(pg, frame_line_take(pg, &pg->slotted_line));
	}
}

/* Slots for pages [first, …) of a batch of 4 KiB pages: a run for as many
 * neighbours as there is one for.  Returns how many have theirs. */
static uint32_t slots_for_run(struct pager *pg, struct batch *b,
			      unsigned first)
{
	slot_id slot = SLOT_NONE;
	uint32_t count;

	if (pg->slots.free_count == 0)	/* or there is no store at all */
		return 0;
	count = slots_get_run(&pg->slots, b->page_count - first, &slot);
	for (uint32_t i = 0; i < count; i++)
		b->slot[first + i] = slot + i;
	return count;
}

/* Give every page of the batch slots to be written to; one that can have
 * none (the medium has failed widely) is marked failed. */
static void evict_assign_slots(struct pager *pg, struct batch *b)
{
	uint32_t units = order_units(b->order);
	unsigned i = 0;

	if (pg->slots.free_count < b->page_count * units)
		reclaim_slots(pg, b->page_count * units);
	while (i < b->page_count) {
		uint32_t count = 0;

		if (b->order == 0)
			count = slots_for_run(pg, b, i);
		else
			count = slots_get_chain(&pg->slots, units,
						&b->slot[i]) == 0;
		if (count == 0) {
			/* In place, if it has one: torn bytes would be found
			 * by their checksum, and the page is still here. */
			b->slot[i] = pg->page[b->page[i]].slot;
			count = 1;
		}
		i += count;
	}
	for (i = 0; i < b->page_count; i++) {
		if (b->slot[i] != SLOT_NONE)
			b->wanted |= UINT64_C(1) << i;
		else
			b->failed |= UINT64_C(1) << i;
	}
}

/* All captures are done: write what must be written. */
static void evict_submit(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];

	batch_trim_staging(pg, b);
	if (b->page_count == 0) {
		batch_put(pg, id);
		return;
	}
	evict_assign_slots(pg, b);
	pg->stats.written += (uint64_t)__builtin_popcountll(b->wanted);
	batch_start(pg, id);
	if (b->io_pending == 0 && !b->is_stalled)
		evict_finish(pg, id);
}

/* Evict up to `count` neighbouring pages from `first` on, all candidates.
 * Returns how many; 0 when staging is full or the capture failed. */
uint32_t evict_run(struct pager *pg, segment_id segment, uint64_t first,
		   uint32_t count)
{
	batch_id id = evict_begin(pg, pg->segment[segment].order);
	struct batch *b = &pg->batch[id];
	struct leaving lv = { .run_count = 0 };
	uint32_t taken;

	if (id == 0)
		return 0;
	evict_choose(pg, b, &lv, segment, first,
		     MIN(count, evict_room(b, &lv)));
	taken = evict_capture(pg, b, &lv);
	evict_submit(pg, id);
	return taken;
}

static bool is_idle_candidate(const struct pager *pg,
			      const struct pager_segment *sg, uint64_t page)
{
	page_id id = (page_id)(sg->first + page);

	return page_next_used(pg, sg, page, 1) == page &&
	       evict_is_candidate(pg, id) &&
	       !(pg->frame[pg->page[id].frame].flags & FRAME_REFERENCED);
}

/* Choose the victim and its unreferenced neighbours, `most` pages at most, as
 * one run: one splice, one punch, adjacent slots. */
static void evict_neighbourhood(struct pager *pg, struct batch *b,
				struct leaving *lv, frame_id victim,
				uint32_t most)
{
	segment_id segment = pg->frame[victim].segment;
	const struct pager_segment *sg = &pg->segment[segment];
	uint64_t first = page_index(sg, pg->frame[victim].page);
	uint64_t end = first + 1;

	while (end < sg->page_count && end - first < most &&
	       is_idle_candidate(pg, sg, end))
		end++;
	while (first > 0 && end - first < most &&
	       is_idle_candidate(pg, sg, first - 1))
		first--;
	evict_choose(pg, b, lv, segment, first, (uint32_t)(end - first));
}

/* Where slots are short, only pages that are zero, unchanged, or have a slot
 * of their own can go; the others come straight back.  Once the whole pool
 * has been tried in vain, leave it alone for a while. */
static bool is_futile(struct pager *pg)
{
	if (pg->slots.free_count > pg->futile_free_slots ||
	    pg->now_ns >= pg->futile_until_ns)
		pg->futile_units = 0;
	return pg->futile_units >= pg->config.frame_count;
}

static void note_futile(struct pager *pg, uint32_t tried_units, bool is_gain)
{
	pg->futile_units = is_gain ? 0 : pg->futile_units + tried_units;
	pg->futile_until_ns = pg->now_ns + EVICT_AGAIN_NS;
	pg->futile_free_slots = pg->slots.free_count;
}

static uint64_t units_free_or_leaving(const struct pager *pg)
{
	return (uint64_t)pg->free_units + pg->units[PAGE_EVICTING];
}

/* Evict one batch: about `units` frames (at least one page), of `account` or
 * (0) of anybody.  Returns the frames tried, 0 when there is no victim, no
 * staging, or no hope. */
uint32_t evict_some(struct pager *pg, uint32_t units, account_id account)
{
	uint64_t before = units_free_or_leaving(pg);
	frame_id victim = is_futile(pg) ? 0 : clock_next(pg, account);
	unsigned order = pg->frame[victim].order;
	batch_id id = victim != 0 ? evict_begin(pg, order) : 0;
	struct leaving lv = { .run_count = 0 };
	uint32_t tried;

	if (id == 0) {
		/* The search may have aged some; their segment may be gone
		 * before the next one. */
		clock_age_flush(pg);
		return 0;
	}
	while (victim != 0) {
		struct batch *b = &pg->batch[id];
		uint32_t most;

		tried = lv.page_count << order;
		most = MIN(evict_room(b, &lv),
			   MAX(1u, (units - tried) >> order));
		/* A page of another size waits for the hand's next round. */
		if (pg->frame[victim].order == order)
			evict_neighbourhood(pg, b, &lv, victim, most);
		if (lv.page_count << order >= units || evict_room(b, &lv) == 0)
			break;
		victim = clock_next(pg, account);
	}
	clock_age_flush(pg);
	/* Those that would not go count, too: there are others to try. */
	tried = lv.page_count << order;
	(void)evict_capture(pg, &pg->batch[id], &lv);
	evict_submit(pg, id);
	note_futile(pg, tried, units_free_or_leaving(pg) > before);
	return tried;
}

/* An EVICTING page is wanted again: its staged bytes go back into the data
 * file.  The write goes on, so that its slot is good if the page stays as it
 * is.  False when there is no memory for it now. */
bool evict_put_back(struct pager *pg, page_id id)
{
	struct page *p = &pg->page[id];
	struct batch *b = &pg->batch[p->batch];
	segment_id segment = pg->frame[p->frame].segment;
	struct pager_segment *sg = &pg->segment[segment];
	unsigned i = 0;

	while (b->page[i] != id)
		i++;
	ASSERT(i < b->page_count && !(b->settled >> i & 1));
	if (pg->ops->install(pg->ctx, segment, page_index(sg, id) << sg->order,
			     order_units(sg->order),
			     batch_bytes(pg, b, i)) != 0) {
		/* Units that are back already may have been written to: the
		 * rest must follow. */
		b->returning |= UINT64_C(1) << i;
		pg->is_starved = true;
		pg->stats.install_retries++;
		return false;
	}
	page_enter(pg, sg, id, PAGE_RESIDENT);
	page_set_writing(pg, sg, id, true);
	b->put_back |= UINT64_C(1) << i;
	return true;
}

/* The write of page i has ended well: its new slot replaces the old one. */
static void evict_adopt_slot(struct pager *pg, struct batch *b, unsigned i)
{
	struct pager_segment *sg = &pg->segment[b->segment[i]];
	page_id id = b->page[i];

	if (pg->page[id].slot == b->slot[i])
		return;
	page_drop_slot(pg, sg, id);
	page_set_slot(pg, sg, id, b->slot[i]);
}

/* Full, or without memory or threads for it: no bad medium. */
static bool is_sparing(int error)
{
	return error == -ENOSPC || error == -EAGAIN || error == -ENOMEM ||
	       error == -ECANCELED;
}

/* The write of page i has failed, or there was no slot for it: neither slot
 * is of use. */
static void evict_abandon_slot(struct pager *pg, struct batch *b, unsigned i)
{
	struct pager_segment *sg = &pg->segment[b->segment[i]];
	page_id id = b->page[i];

	if (pg->page[id].slot == b->slot[i])
		page_set_slot(pg, sg, id, SLOT_NONE);
	else
		page_drop_slot(pg, sg, id);
	if (b->slot[i] == SLOT_NONE)
		return;
	if (is_sparing(b->error[i]))
		page_put_chain(pg, b->slot[i]);
	else
		slots_quarantine_chain(&pg->slots, b->slot[i]);
	b->slot[i] = SLOT_NONE;
}

/* Settle page i of a batch whose I/O has ended.  False when its bytes must go
 * back into the data file and there is no memory for them now. */
static bool evict_settle(struct pager *pg, struct batch *b, unsigned i)
{
	segment_id segment = b->segment[i];
	struct pager_segment *sg = &pg->segment[segment];
	uint64_t bit = UINT64_C(1) << i;
	page_id id = b->page[i];

	if (b->failed & bit)
		evict_abandon_slot(pg, b, i);
	else
		evict_adopt_slot(pg, b, i);
	if (!(b->put_back & bit) && sg->state == SEGMENT_DYING) {
		if (b->returning & bit)
			pg->ops->discard(pg->ctx, segment,
					 page_index(sg, id) << sg->order,
					 order_units(sg->order));
		page_drop_slot(pg, sg, id);
		page_release(pg, sg, id, PAGE_ZERO);
	} else if (!((b->put_back | b->failed | b->returning) & bit)) {
		page_release(pg, sg, id, PAGE_SWAPPED);
	} else {
		if (!(b->put_back & bit) && !evict_put_back(pg, id))
			return false;
		page_set_writing(pg, sg, id, false);
		pg->page[id].batch = 0;
		page_keep(pg, id);
	}
	b->settled |= bit;
	return true;
}

/* All requests of the batch have ended. */
void evict_finish(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	bool is_complete = true;

	for (unsigned i = 0; i < b->page_count; i++)
		if (!(b->settled >> i & 1))
			is_complete &= evict_settle(pg, b, i);
	if (is_complete)
		batch_put(pg, id);
	else
		pg->must_reinstall = true;
}

/* Batches that could not put bytes back for lack of memory try again. */
void evict_retry_reinstall(struct pager *pg)
{
	pg->must_reinstall = false;
	for (batch_id id = 1; id < pg->batch_table.element_count; id++) {
		struct batch *b = &pg->batch[id];

		if (b->kind == BATCH_FREE || b->io_pending != 0 ||
		    b->is_stalled)
			continue;
		if (b->kind == BATCH_LOAD)
			load_finish(pg, id);
		else
			evict_finish(pg, id);
	}
}
