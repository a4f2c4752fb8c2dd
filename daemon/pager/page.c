/* SPDX-License-Identifier: MIT */
/* Entries of the page table.  page_enter() is the only function that changes
 * the state of a page; it also keeps the counters. */
#include "daemon/pager/page.h"

#include "daemon/pager/account.h"
#include "daemon/pager/book.h"
#include "daemon/pager/frame.h"

static const uint8_t page_may_enter[PAGE_STATES] = {
	[PAGE_ZERO] = BIT(PAGE_RESIDENT),
	[PAGE_RESIDENT] = BIT(PAGE_EVICTING) | BIT(PAGE_ZERO),
	[PAGE_LOADING] = BIT(PAGE_RESIDENT) | BIT(PAGE_SWAPPED) |
			 BIT(PAGE_LOST) | BIT(PAGE_ZERO),
	[PAGE_EVICTING] = BIT(PAGE_SWAPPED) | BIT(PAGE_RESIDENT) |
			  BIT(PAGE_ZERO) | BIT(PAGE_LOST),
	[PAGE_SWAPPED] = BIT(PAGE_LOADING) | BIT(PAGE_ZERO) |
			 BIT(PAGE_RESIDENT),
	[PAGE_LOST] = BIT(PAGE_ZERO) | BIT(PAGE_RESIDENT),
};

static bool has_frame(unsigned state)
{
	return state == PAGE_RESIDENT || state == PAGE_LOADING ||
	       state == PAGE_EVICTING;
}

frame_id page_frame(const struct page *p)
{
	return has_frame(p->state) ? p->frame : 0;
}

/* If the page is RESIDENT and has a slot, count it as slotted, and note its
 * frame for reclaim_slots(). */
static void note_slotted(struct pager *pg, struct pager_segment *sg,
			 const struct page *p)
{
	if (p->state != PAGE_RESIDENT || p->slot == SLOT_NONE)
		return;
	sg->slotted++;
	frame_note_slotted(pg, p->frame);
}

void page_enter(struct pager *pg, struct pager_segment *sg, page_id id,
		enum page_state next)
{
	struct page *p = &pg->page[id];
	uint32_t units = order_units(sg->order);

	ASSERT(page_may_enter[p->state] & BIT(next));
	if (p->state == PAGE_ZERO)
		pg->chunk[id / PAGES_PER_CHUNK]++;
	else
		sg->count[p->state]--;
	if (has_frame(p->state))
		pg->units[p->state] -= units;
	if (p->state == PAGE_RESIDENT && p->slot != SLOT_NONE)
		sg->slotted--;

	if (p->state == PAGE_EVICTING)
		account_charge_evicting(pg, sg->account, -(int64_t)units);
	if (p->state == PAGE_EVICTING && next == PAGE_RESIDENT)
		replace_stay(pg->replace, p->frame);
	if (next == PAGE_EVICTING)
		account_charge_evicting(pg, sg->account, units);
	p->state = (uint8_t)next;

	if (next == PAGE_ZERO)
		pg->chunk[id / PAGES_PER_CHUNK]--;
	else
		sg->count[next]++;
	if (has_frame(next))
		pg->units[next] += units;
	note_slotted(pg, sg, p);
	book_write(pg, sg, id);
}

void page_release(struct pager *pg, struct pager_segment *sg, page_id id,
		  enum page_state next)
{
	struct page *p = &pg->page[id];
	uint32_t left = pg->frame[p->frame].left;

	frame_put(pg, p->frame);
	p->left = next == PAGE_SWAPPED ? left : 0;
	p->batch = 0;
	page_enter(pg, sg, id, next);
}

void page_abandon(struct pager *pg, struct pager_segment *sg, page_id id,
		  bool has_data)
{
	page_drop_slot(pg, sg, id);
	if (!has_data) {
		page_release(pg, sg, id, PAGE_ZERO);
		return;
	}
	pg->page[id].batch = 0;
	page_enter(pg, sg, id, PAGE_RESIDENT);
}

void page_set_slot(struct pager *pg, struct pager_segment *sg, page_id id,
		   slot_id slot)
{
	struct page *p = &pg->page[id];

	if (p->state == PAGE_RESIDENT && p->slot != SLOT_NONE)
		sg->slotted--;
	p->slot = slot;
	note_slotted(pg, sg, p);
}

/* Tell the store of the slots in the chain: one call for each run of
 * neighbours. */
static void discard_chain(struct pager *pg, slot_id slot)
{
	while (slot != SLOT_NONE) {
		slot_id first = slot, next = slots_next(&pg->slots, slot);

		while (next == slot + 1 && slots_are_joined(&pg->slots, slot)) {
			slot = next;
			next = slots_next(&pg->slots, slot);
		}
		pg->ops->discard_slots(pg->ctx, first - 1, slot - first + 1);
		slot = next;
	}
}

void page_put_chain(struct pager *pg, slot_id slot)
{
	if (pg->ops->discard_slots != NULL)
		discard_chain(pg, slot);
	slots_put_chain(&pg->slots, slot);
}

void page_drop_slot(struct pager *pg, struct pager_segment *sg, page_id id)
{
	slot_id slot = pg->page[id].slot;

	if (slot == SLOT_NONE)
		return;
	page_set_slot(pg, sg, id, SLOT_NONE);
	page_put_chain(pg, slot);
}

void page_set_writing(struct pager *pg, struct pager_segment *sg, page_id id,
		      bool is_writing)
{
	struct page *p = &pg->page[id];

	ASSERT(((p->flags & PAGE_WRITING) != 0) != is_writing);
	p->flags ^= PAGE_WRITING;
	if (is_writing)
		sg->writing++;
	else
		sg->writing--;
}

bool page_is_mappable(const struct pager *pg, const struct pager_segment *sg,
		       uint64_t page)
{
	const struct page *p = &pg->page[sg->first + page];

	return page < sg->page_count &&
	       page_next_used(pg, sg, page, 1) == page &&
	       p->state == PAGE_RESIDENT && !(p->flags & PAGE_PARTIAL);
}

void page_keep(struct pager *pg, page_id id)
{
	frame_id frame = page_frame(&pg->page[id]);

	if (frame != 0)
		replace_touch(pg->replace, frame);
}

void page_mark_used(struct pager *pg, page_id id)
{
	frame_id frame = page_frame(&pg->page[id]);

	if (frame == 0)
		return;
	if (pg->frame[frame].flags & FRAME_AHEAD) {
		pg->stats.readahead_hits++;
		stream_count_use(&pg->segment[pg->frame[frame].segment].streams,
				 1, 0);
	}
	frame_set_flags(pg, frame, 0, FRAME_AHEAD | FRAME_FRESH);
	replace_touch(pg->replace, frame);
}

struct checksum_key page_key(const struct pager *pg,
			     const struct pager_segment *sg, page_id id)
{
	return (struct checksum_key){
		.segment = sg->serial,
		.page = page_index(sg, id),
		.generation = pg->page[id].generation,
	};
}

uint64_t page_next_used(const struct pager *pg, const struct pager_segment *sg,
			uint64_t page, uint32_t budget)
{
	while (page < sg->page_count && budget-- > 0) {
		if (pg->chunk[(sg->first + page) / PAGES_PER_CHUNK] != 0)
			return page;
		page = (page / PAGES_PER_CHUNK + 1) * PAGES_PER_CHUNK;
	}
	return MIN(page, sg->page_count);
}

enum page_state page_state_at(const struct pager *pg,
			      const struct pager_segment *sg, uint64_t page)
{
	if (page_next_used(pg, sg, page, 1) != page)
		return PAGE_ZERO;
	return (enum page_state)pg->page[sg->first + page].state;
}

bool page_fill_holes(struct pager *pg, page_id id)
{
	struct page *p = &pg->page[id];
	segment_id segment = pg->frame[p->frame].segment;
	const struct pager_segment *sg = &pg->segment[segment];

	if (!(p->flags & PAGE_PARTIAL))
		return true;
	if (pg->ops->install(pg->ctx, segment, page_index(sg, id) << sg->order,
			     order_units(sg->order), NULL) != 0) {
		pg->stats.install_retries++;
		return false;
	}
	p->flags &= (uint8_t)~PAGE_PARTIAL;
	return true;
}
