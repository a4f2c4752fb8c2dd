/* SPDX-License-Identifier: MIT */
/* Write-back: writes captured pages to slots.  Invariants:
 *
 * E1  A frame is put only if its page's bytes are zero, or are in a slot whose
 *     write has succeeded, or are not needed (discarded, segment dying), or are
 *     lost.
 * E2  A slot is put only if no request for it is in flight.
 * E3  The staged bytes of an EVICTING page are never moved or changed after its
 *     write was submitted. */
#include "daemon/pager/write_back.h"

#include "daemon/pager/fill.h"
#include "daemon/pager/frame.h"
#include "daemon/pager/page.h"
#include <errno.h>

enum { SLOT_LOOKS = 1024 };	/* looks at frames for one batch */

/* ---- slots to write to */

/* Free the slot of the frame's page, if the page is RESIDENT and keeps one, of
 * this area, in case it stays clean. */
static void reclaim_slot(struct pager *pg, area_id area, frame_id id)
{
	const struct frame *fr = &pg->frame[id];
	const struct page *p = &pg->page[fr->page];

	if (fr->page == 0 || p->state != PAGE_RESIDENT || p->slot == SLOT_NONE)
		return;
	if ((p->flags & PAGE_WRITING) ||
	    pg->segment[fr->segment].area != area)
		frame_note_slotted(pg, id);
	else
		page_drop_slot(pg, &pg->segment[fr->segment], fr->page);
}

/* Free slots of RESIDENT pages until `count` slots of the area are free.
 * Frames in the line may have lost their slots already, so the number of looks
 * is limited; the next call goes on. */
static void reclaim_slots(struct pager *pg, area_id area, uint32_t count)
{
	const struct slot_counts *slots = &slots_area(&pg->slots, area)->count;
	uint32_t left = MIN(pg->slotted_line.count, (uint32_t)SLOT_LOOKS);

	for (; left > 0 && slots->free < count; left--) {
		pg->stats.frames_examined++;
		reclaim_slot(pg, area, frame_take_slotted(pg));
	}
}

static area_id area_of(const struct pager *pg, const struct batch *b,
		       unsigned page)
{
	return pg->segment[b->segment[page]].area;
}

/* True if page i should go to a new slot.  A page that has one keeps it while
 * its new one is written: a second slot is only for areas that have more slots
 * than they owe. */
static bool wants_new_slot(const struct pager *pg, const struct batch *b,
			   unsigned i)
{
	const struct slot_area *ar = slots_area(&pg->slots, area_of(pg, b, i));

	return pg->config.areas_max == 0 ||
	       pg->page[b->page[i]].slot == SLOT_NONE ||
	       ar->count.all > ar->committed_units + ar->count.quarantined;
}

/* How many pages of the batch, from `first` on, want a new slot of one area. */
static uint32_t pages_for_run(const struct pager *pg, const struct batch *b,
			      unsigned first)
{
	area_id area = area_of(pg, b, first);
	unsigned end = first;

	while (end < b->page_count && area_of(pg, b, end) == area &&
	       wants_new_slot(pg, b, end))
		end++;
	return end - first;
}

/* Take one run of slots for pages [first, first + count) of a batch of 4 KiB
 * pages, as long as possible.  Returns how many pages got a slot. */
static uint32_t slots_for_run(struct pager *pg, struct batch *b,
			      unsigned first, uint32_t count)
{
	slot_id slot = SLOT_NONE;

	if (count == 0)
		return 0;
	count = slots_get_run(&pg->slots, area_of(pg, b, first), count, &slot);
	for (uint32_t i = 0; i < count; i++)
		b->slot[first + i] = slot + i;
	return count;
}

/* Take slots for page `first`, and for as many pages behind it as a run of
 * slots has room for.  Returns how many pages got slots. */
static uint32_t take_slots(struct pager *pg, struct batch *b, unsigned first)
{
	uint32_t units = order_units(b->order);
	area_id area = area_of(pg, b, first);
	uint32_t count = pages_for_run(pg, b, first);

	if (slots_area(&pg->slots, area)->count.free < count * units)
		reclaim_slots(pg, area, count * units);
	if (b->order == 0)
		return slots_for_run(pg, b, first, count);
	return count != 0 &&
	       slots_get_chain(&pg->slots, area, units, &b->slot[first]) == 0;
}

/* Give each page of the batch slots to write to.  A page that can get none,
 * because much of the medium has failed, is marked failed. */
static void assign_slots(struct pager *pg, struct batch *b)
{
	unsigned i = 0;

	while (i < b->page_count) {
		uint32_t count = pg->config.slot_count == 0 ? 0 :
				 take_slots(pg, b, i);

		if (count == 0) {
			/* Write in place, if the page has a slot.  If the write
			 * is torn, the checksum shows it, and the page is still
			 * here. */
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

void write_back_start(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];

	batch_trim_staging(pg, b);
	if (b->page_count == 0) {
		batch_put(pg, id);
		return;
	}
	assign_slots(pg, b);
	pg->stats.written += (uint64_t)__builtin_popcountll(b->wanted);
	batch_start(pg, id);
	if (b->io_pending == 0 && !b->is_stalled)
		batch_close(pg, id, write_back_finish(pg, id));
}

/* ---- when the write has ended */

/* The write goes on: if the page stays clean, its slot is good. */
bool write_back_cancel(struct pager *pg, page_id id)
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
		/* Some units may be present again, and written to: the other
		 * units must follow. */
		b->returning |= UINT64_C(1) << i;
		pg->stats.install_retries++;
		return false;
	}
	page_enter(pg, sg, id, PAGE_RESIDENT);
	page_set_writing(pg, sg, id, true);
	b->put_back |= UINT64_C(1) << i;
	return true;
}

/* The write of page i has succeeded: the new slot replaces the old one. */
static void adopt_slot(struct pager *pg, struct batch *b, unsigned i)
{
	struct pager_segment *sg = &pg->segment[b->segment[i]];
	page_id id = b->page[i];

	fill_note_chain(pg, b->slot[i]);
	if (pg->page[id].slot == b->slot[i])
		return;
	page_drop_slot(pg, sg, id);
	page_set_slot(pg, sg, id, b->slot[i]);
}

/* The write of page i has failed, or there was no slot for it: neither the new
 * nor the old slot is of use. */
static void abandon_slot(struct pager *pg, struct batch *b, unsigned i)
{
	struct pager_segment *sg = &pg->segment[b->segment[i]];
	page_id id = b->page[i];

	if (pg->page[id].slot == b->slot[i])
		page_set_slot(pg, sg, id, SLOT_NONE);
	else
		page_drop_slot(pg, sg, id);
	if (b->slot[i] == SLOT_NONE)
		return;
	if (batch_spares_slot(b->error[i])) {
		page_put_chain(pg, b->slot[i]);
	} else {
		fill_note_chain(pg, b->slot[i]);
		slots_quarantine_chain(&pg->slots, b->slot[i]);
	}
	b->slot[i] = SLOT_NONE;
}

/* Settle page i of a batch whose I/O has ended.  False if its bytes must go
 * back into the data file and there is no memory for them now. */
static bool settle_page(struct pager *pg, struct batch *b, unsigned i)
{
	struct pager_segment *sg = &pg->segment[b->segment[i]];
	uint64_t bit = UINT64_C(1) << i;
	page_id id = b->page[i];

	if (b->failed & bit)
		abandon_slot(pg, b, i);
	else
		adopt_slot(pg, b, i);
	if (!(b->put_back & bit) && sg->state == SEGMENT_DYING) {
		page_abandon(pg, sg, id, (b->returning & bit) != 0);
	} else if (!((b->put_back | b->failed | b->returning) & bit)) {
		page_release(pg, sg, id, PAGE_SWAPPED);
	} else {
		if (!(b->put_back & bit) && !write_back_cancel(pg, id))
			return false;
		page_set_writing(pg, sg, id, false);
		pg->page[id].batch = 0;
		page_keep(pg, id);
	}
	b->settled |= bit;
	return true;
}

enum batch_end write_back_finish(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	enum batch_end end = BATCH_SETTLED;

	for (unsigned i = 0; i < b->page_count; i++)
		if (!(b->settled >> i & 1) && !settle_page(pg, b, i))
			end = BATCH_STARVED;
	return end;
}
