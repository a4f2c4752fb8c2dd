/* SPDX-License-Identifier: MIT */
/* Taking pages out: captured into staging, compared with what their slots
 * hold, and written if they differ.
 *
 *   all zero            no slot, no write; the frame is free at once
 *   same as its slot    no write; the frame is free at once (but if the store
 *                       is known to have lost that: as below)
 *   else                a new slot; the frame is free when the write has
 *                       succeeded.  Until then the page is EVICTING and a
 *                       fault gets the staged bytes back. */
#include "daemon/pager/evict.h"

#include "daemon/pager/frame.h"
#include "daemon/pager/page.h"
#include "daemon/pager/write_back.h"
#include <errno.h>
#include <string.h>

enum {
	EVICT_UNITS_MAX = 256,		/* 1 MiB: one pipe, one request */
	EVICT_AGAIN_NS = 100000000,	/* after all was in vain */
};

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
	write_back_start(pg, id);
	return taken;
}

static bool is_idle_candidate(const struct pager *pg,
			      const struct pager_segment *sg, uint64_t page)
{
	page_id id = (page_id)(sg->first + page);

	return page_next_used(pg, sg, page, 1) == page &&
	       clock_is_candidate(pg, id) &&
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
	if (pg->slots.count.free > pg->futile_free_slots ||
	    pg->now_ns >= pg->futile_until_ns)
		pg->futile_units = 0;
	return pg->futile_units >= pg->config.frame_count;
}

static void note_futile(struct pager *pg, uint32_t tried_units, bool is_gain)
{
	pg->futile_units = is_gain ? 0 : pg->futile_units + tried_units;
	pg->futile_until_ns = pg->now_ns + EVICT_AGAIN_NS;
	pg->futile_free_slots = pg->slots.count.free;
}

static uint64_t units_free_or_leaving(const struct pager *pg)
{
	return (uint64_t)pg->free_units + pg->units[PAGE_EVICTING];
}

uint32_t evict_some(struct pager *pg, uint32_t units, account_id account,
		    struct clock_search *search)
{
	uint64_t before = units_free_or_leaving(pg);
	frame_id victim = is_futile(pg) ? 0 : clock_next(pg, account,
							 search);
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
		victim = clock_next(pg, account, search);
	}
	clock_age_flush(pg);
	/* Those that would not go count, too: there are others to try. */
	tried = lv.page_count << order;
	(void)evict_capture(pg, &pg->batch[id], &lv);
	write_back_start(pg, id);
	note_futile(pg, tried, units_free_or_leaving(pg) > before);
	return tried;
}
