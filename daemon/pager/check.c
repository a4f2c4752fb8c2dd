/* SPDX-License-Identifier: MIT */
/* pager_check(): counts everything again from the tables and compares with the
 * counters.  It trusts no counter, so it is slow. */
#include "daemon/pager/account.h"
#include "daemon/pager/page.h"
#include <string.h>

struct recount {
	uint64_t units[PAGE_STATES];
	uint64_t slots;			/* slots that pages have */
	uint64_t pins;
	uint64_t busy;
	uint64_t stuck;
};

static uint64_t chain_length(const struct pager *pg, slot_id slot)
{
	uint64_t length = 0;

	for (; slot != SLOT_NONE; slot = slots_next(&pg->slots, slot))
		length++;
	return length;
}

static void check_frame_of(const struct pager *pg,
			   const struct pager_segment *sg, page_id id,
			   struct recount *rc)
{
	const struct page *p = &pg->page[id];
	const struct frame *fr = &pg->frame[page_frame(p)];
	bool has_frame = p->state == PAGE_RESIDENT ||
			 p->state == PAGE_LOADING || p->state == PAGE_EVICTING;

	ASSERT(has_frame ? p->frame != 0 : p->state == PAGE_SWAPPED ||
	       p->frame == 0);						/* P1 */
	if (!has_frame)
		return;
	ASSERT(fr->page == id && fr->order == sg->order);
	ASSERT(&pg->segment[fr->segment] == sg);
	ASSERT(fr->pins == 0 || p->state == PAGE_RESIDENT);
	if (p->state == PAGE_LOADING)
		ASSERT(!(fr->flags & (FRAME_FRESH | FRAME_AHEAD)));
	/* A dying segment has given back its pins. */
	if (sg->state == SEGMENT_LIVE)
		rc->pins += (uint64_t)fr->pins << sg->order;
}

static void check_slot_of(const struct pager *pg,
			  const struct pager_segment *sg, page_id id,
			  struct recount *rc)
{
	const struct page *p = &pg->page[id];

	if (p->state == PAGE_SWAPPED || p->state == PAGE_LOADING)	/* P3 */
		ASSERT(p->slot != SLOT_NONE);
	if (p->state == PAGE_ZERO || p->state == PAGE_LOST)
		ASSERT(p->slot == SLOT_NONE);
	if (p->slot == SLOT_NONE)
		return;
	ASSERT(chain_length(pg, p->slot) == order_units(sg->order));
	if (p->state == PAGE_RESIDENT)
		ASSERT(pg->frame[p->frame].flags & FRAME_IN_SLOTTED);
	rc->slots += order_units(sg->order);
}

/* A CAPTURE batch has more pages than there are bits. */
static bool is_settled(const struct batch *b, unsigned i)
{
	return b->kind != BATCH_CAPTURE && (b->settled >> i & 1);
}

static void check_batch_of(const struct pager *pg, page_id id,
			   struct recount *rc)
{
	const struct page *p = &pg->page[id];
	const struct batch *b = &pg->batch[p->batch];
	unsigned found = 0;

	ASSERT(page_is_busy(p) == (p->batch != 0));			/* P4 */
	if (!page_is_busy(p))
		return;
	ASSERT((b->kind == BATCH_LOAD) == (p->state == PAGE_LOADING));
	ASSERT(b->kind != BATCH_CAPTURE || p->state == PAGE_EVICTING);
	for (unsigned i = 0; i < b->page_count; i++)
		found += b->page[i] == id && !is_settled(b, i);
	ASSERT(found == 1);
	rc->busy++;
	rc->stuck += b->is_stuck;
}

static void check_segment(const struct pager *pg,
			  const struct pager_segment *sg, struct recount *rc)
{
	uint32_t count[PAGE_STATES] = { 0 }, slotted = 0, writing = 0;
	uint64_t stuck = rc->stuck;

	for (uint64_t page = 0; page < sg->page_count; page++) {
		const struct page *p;
		page_id id;

		page = page_next_used(pg, sg, page, UINT32_MAX);
		if (page >= sg->page_count)
			break;
		id = (page_id)(sg->first + page);
		p = &pg->page[id];
		ASSERT(p->state < PAGE_STATES);
		count[p->state]++;
		slotted += p->state == PAGE_RESIDENT && p->slot != SLOT_NONE;
		writing += (p->flags & PAGE_WRITING) != 0;
		rc->units[p->state] += order_units(sg->order);
		check_frame_of(pg, sg, id, rc);
		check_slot_of(pg, sg, id, rc);
		check_batch_of(pg, id, rc);
	}
	for (unsigned state = PAGE_ZERO + 1; state < PAGE_STATES; state++)
		ASSERT(count[state] == sg->count[state]);
	ASSERT(slotted == sg->slotted && writing == sg->writing);
	ASSERT(rc->stuck - stuck == sg->stuck_pages);
}

static void check_chunks(const struct pager *pg, const struct pager_segment *sg)
{
	uint64_t used = 0, sum = 0;

	for (uint64_t page = 0; page < sg->page_count; page += PAGES_PER_CHUNK)
		used += pg->chunk[(sg->first + page) / PAGES_PER_CHUNK];
	for (unsigned state = PAGE_ZERO + 1; state < PAGE_STATES; state++)
		sum += sg->count[state];
	ASSERT(used == sum);
}

static uint32_t queue_length(const struct pager *pg,
			     const struct fault_queue *q)
{
	const struct fault *last = NULL;
	uint32_t length = 0;

	for (const struct fault *f = q->head; f != NULL; f = f->next) {
		ASSERT(pg->segment[f->segment].state == SEGMENT_LIVE);
		last = f;
		length++;
	}
	ASSERT(q->tail == last);
	return length;
}

/* Batches of captures that are under way.  (capture.c) */
static void check_captures(const struct pager *pg)
{
	uint32_t capturing = 0, units = 0, stuck = 0;

	for (batch_id id = 1; id < pg->batch_table.element_count; id++) {
		const struct batch *b = &pg->batch[id];

		ASSERT(!b->is_stuck || b->kind == BATCH_CAPTURE);
		if (b->kind != BATCH_CAPTURE)
			continue;
		capturing++;
		units += (uint32_t)b->page_count << b->order;
		stuck += b->is_stuck;
		ASSERT(b->staging_count == 0 && b->settled == 0);	/* C2 */
		ASSERT(pg->batch_of_ticket[b->ticket] == id);
	}
	ASSERT(capturing == pg->capturing_count && stuck == pg->stuck_count);
	ASSERT(units == pg->capturing_units);
	ASSERT(capturing <= PAGER_TICKETS_MAX);				/* C4 */
	ASSERT(pg->batches_used - capturing <= BATCHES_MAX);
}

/* Counts the slots being written that no page names yet, and in *ret_pages the
 * pages that are not settled. */
static uint64_t check_batches(const struct pager *pg, uint64_t *ret_pages,
			      uint32_t *ret_waiting)
{
	uint32_t used = 0, ahead_io = 0;
	uint64_t slots = 0;

	for (batch_id id = 1; id < pg->batch_table.element_count; id++) {
		const struct batch *b = &pg->batch[id];

		if (b->kind == BATCH_FREE)
			continue;
		used++;
		slots += b->fill_count;
		*ret_waiting += queue_length(pg, &b->waiting);
		ASSERT(b->ahead_io <= b->io_pending);
		ASSERT(b->is_ahead || b->ahead_io == 0);
		ASSERT(!b->is_ahead || b->waiting.head == NULL);
		ASSERT(b->kind != BATCH_EVICT || b->waiting.head == NULL);
		ahead_io += b->ahead_io;
		for (unsigned i = 0; i < b->page_count; i++) {
			if (is_settled(b, i))
				continue;
			++*ret_pages;
			if (b->kind == BATCH_EVICT &&
			    b->slot[i] != SLOT_NONE &&
			    b->slot[i] != pg->page[b->page[i]].slot)
				slots += chain_length(pg, b->slot[i]);
		}
	}
	ASSERT(used == pg->batches_used);
	ASSERT(ahead_io == pg->ahead_io);
	return slots;
}

static uint32_t entries_of(const struct pager *pg, account_id account)
{
	uint32_t entries = 0;

	for (segment_id s = pg->segment_first; s != 0;
	     s = pg->segment[s].next) {
		const struct pager_segment *sg = &pg->segment[s];

		if (sg->account == account)
			entries += sg->count[PAGE_RESIDENT] +
				   sg->count[PAGE_LOADING] +
				   sg->count[PAGE_EVICTING];
	}
	return entries;
}

static void check_accounts(const struct pager *pg)
{
	uint32_t waiting = 0;

	for (account_id id = 1; id <= pg->config.accounts_max; id++) {
		const struct pager_account *ac = &pg->account[id];
		uint64_t frames = 0, evicting = 0, mapped = 0, pinned = 0;

		if (!ac->is_used)
			continue;
		ASSERT(queue_length(pg, &ac->waiting) == ac->near_count);
		ASSERT(ac->near_count + ac->serving_count != 0 ||
		       ac->set_aside.head == NULL ||
		       ac->in_list[ACCOUNT_RETRY].is_in);
		waiting += ac->near_count + queue_length(pg, &ac->set_aside);
		for (segment_id s = pg->segment_first; s != 0;
		     s = pg->segment[s].next) {
			const struct pager_segment *sg = &pg->segment[s];

			if (!account_contains(pg, id, sg->account))
				continue;
			frames += (uint64_t)(sg->count[PAGE_RESIDENT] +
					     sg->count[PAGE_LOADING] +
					     sg->count[PAGE_EVICTING])
				  << sg->order;
			evicting += (uint64_t)sg->count[PAGE_EVICTING]
				    << sg->order;
			mapped += sg->page_count << sg->order;
			pinned += sg->pinned_units;
		}
		ASSERT(frames == ac->used_frames);			/* P6 */
		ASSERT(evicting == ac->evicting_frames);
		ASSERT(mapped == ac->mapped_units);
		ASSERT(pinned == ac->pinned_units);
		ASSERT(replace_frames_of(pg->replace, id) ==
		       entries_of(pg, id));
		ASSERT(ac->waiting.head == NULL ||
		       ac->in_list[ACCOUNT_PRESSED].is_in);
	}
	ASSERT(waiting == pg->account_waiting);
}

static void check_frames(const struct pager *pg)
{
	uint64_t used = 0, free_entries = 0, used_entries = 0;
	uint32_t slotted = 0, leaving = 0;

	for (frame_id id = 1; id <= pg->config.frame_count; id++) {
		const struct frame *fr = &pg->frame[id];

		slotted += (fr->flags & FRAME_IN_SLOTTED) != 0;
		if (fr->page == 0)
			continue;
		ASSERT(pg->page[fr->page].frame == id);
		used += order_units(fr->order);
		used_entries++;
		leaving += pg->page[fr->page].state == PAGE_EVICTING;
	}
	for (frame_id id = pg->frame_free; id <= pg->config.frame_count;
	     id = next_free_entry(id, pg->frame[id].next))
		free_entries++;
	ASSERT(free_entries + used_entries == pg->config.frame_count);
	ASSERT(used_entries == pg->frame_entries);
	ASSERT(pg->free_units + pg->lent_units + used ==
	       pg->config.frame_count);					/* P2 */
	ASSERT(slotted == pg->slotted_line.count);
	replace_check(pg->replace, leaving);
}

static void check_ahead(const struct pager *pg)
{
	uint32_t queued = 0;

	for (segment_id id = pg->ahead.head; id != 0;
	     id = pg->segment[id].ahead_next) {
		ASSERT(pg->segment[id].is_ahead_queued);
		ASSERT(pg->segment[id].state == SEGMENT_LIVE);
		queued++;
	}
	ASSERT(queued == pg->ahead_count);
}

static void check_advice(const struct pager *pg)
{
	uint64_t reserved_pinned = 0;
	uint32_t count = 0, others = 0;

	for (unsigned i = 0; i < ADVICE_MAX; i++) {
		const struct advice *ad = &pg->advice[i];

		if (ad->state == ADVICE_FREE)
			continue;
		count++;
		others += !pg->segment[ad->segment].is_reserved;
		ASSERT(ad->state != ADVICE_WANTING || ad->kind == PAGER_PIN);
	}
	for (segment_id id = pg->segment_first; id != 0;
	     id = pg->segment[id].next)
		if (pg->segment[id].is_reserved)
			reserved_pinned += pg->segment[id].pinned_units;
	ASSERT(count == pg->advice_count && others == pg->advice_others);
	ASSERT(reserved_pinned == pg->reserved_pinned_units);
}

static uint32_t count_of(const struct fault_queue *q, segment_id segment)
{
	uint32_t count = 0;

	for (const struct fault *f = q->head; f != NULL; f = f->next)
		count += f->segment == segment;
	return count;
}

/* Every queue that a fault of the segment may be in. */
static uint32_t waiting_of(const struct pager *pg, segment_id segment)
{
	uint32_t count = count_of(&pg->pool_waiting, segment);

	for (account_id id = pg->segment[segment].account; id != 0;
	     id = pg->account[id].parent)
		count += count_of(&pg->account[id].waiting, segment) +
			 count_of(&pg->account[id].set_aside, segment);
	for (batch_id id = 1; id < pg->batch_table.element_count; id++)
		if (pg->batch[id].kind != BATCH_FREE)
			count += count_of(&pg->batch[id].waiting, segment);
	return count;
}

/* Segments in a queue are marked, and no others. */
static void check_dying(const struct pager *pg)
{
	uint32_t queued = 0, parked = 0, blocked = 0, marked = 0;

	for (segment_id id = pg->dying.head; id != 0;
	     id = pg->segment[id].dying_next, queued++)
		ASSERT(pg->segment[id].is_dying_queued);
	for (segment_id id = pg->parked.head; id != 0;
	     id = pg->segment[id].dying_next, parked++)
		ASSERT(pg->segment[id].is_parked &&
		       !pg->segment[id].is_dying_queued);
	for (segment_id id = pg->segment_first; id != 0;
	     id = pg->segment[id].next) {
		const struct pager_segment *sg = &pg->segment[id];

		ASSERT(sg->state == SEGMENT_DYING ||
		       !(sg->is_dying_queued || sg->is_parked));
		ASSERT(!sg->is_blocked || sg->is_parked ||
		       sg->is_dying_queued);				/* T2 */
		marked += sg->is_dying_queued + sg->is_parked;
		blocked += sg->is_blocked;
		/* T1: something will wake it. */
		ASSERT(sg->state != SEGMENT_DYING || sg->is_dying_queued ||
		       sg->is_parked || sg->count[PAGE_LOADING] +
		       sg->count[PAGE_EVICTING] + sg->writing != 0);
	}
	ASSERT(queued + parked == marked && blocked == pg->blocked_count);
}

void pager_check(const struct pager *pg)
{
	uint64_t committed = 0, going = 0, batch_pages = 0, batch_slots;
	uint32_t waiting = 0, segments = 0, dying = 0;
	segment_id before = 0;
	struct recount rc;

	memset(&rc, 0, sizeof(rc));
	for (segment_id id = pg->segment_first; id != 0;
	     id = pg->segment[id].next) {
		const struct pager_segment *sg = &pg->segment[id];

		ASSERT(sg->state != SEGMENT_FREE);
		ASSERT(sg->prev == before);
		before = id;
		check_segment(pg, sg, &rc);
		check_chunks(pg, sg);
		stream_check(&sg->streams);
		ASSERT(sg->waiting_count == 0 ||
		       sg->waiting_count == waiting_of(pg, id));
		committed += sg->page_count << sg->order;
		if (sg->state == SEGMENT_DYING && !sg->is_blocked)
			going += sg->page_count << sg->order;
		dying += sg->state == SEGMENT_DYING;
		segments++;
	}
	ASSERT(segments == pg->segment_count && dying == pg->dying_count);
	check_dying(pg);
	ASSERT(committed == pg->committed_units);
	ASSERT(going == pg->dying_units);
	batch_slots = check_batches(pg, &batch_pages, &waiting);
	check_captures(pg);
	ASSERT(batch_pages == rc.busy);
	ASSERT(rc.slots + batch_slots == pg->slots.count.used);
	for (unsigned state = PAGE_ZERO + 1; state < PAGE_STATES; state++)
		if (state != PAGE_SWAPPED && state != PAGE_LOST)
			ASSERT(rc.units[state] == pg->units[state]);
	ASSERT(rc.pins <= pg->pinned_units);
	check_advice(pg);
	check_frames(pg);
	check_ahead(pg);
	check_accounts(pg);
	waiting += queue_length(pg, &pg->pool_waiting) + pg->account_waiting;
	ASSERT(waiting == pg->waiting_count);				/* P5 */
	if (pg->config.slot_count != 0)
		slots_check(&pg->slots);
	staging_check(&pg->read_staging);
	staging_check(&pg->write_staging);
}
