/* SPDX-License-Identifier: MIT */
/* Captured pages are compared with what their slots hold, and written if they
 * differ.
 *
 *   all zero            no slot, no write; the frame is free at once
 *   same as its slot    no write; the frame is free at once (but if the store
 *                       is known to have lost that: as below)
 *   else                a new slot; the frame is free when the write has
 *                       succeeded.  Until then the page is EVICTING and a
 *                       fault gets the staged bytes back.
 *
 * A capture that does not end in the call gets a batch of its own, whose pages
 * are EVICTING meanwhile:
 *
 *              -EINPROGRESS            ticket ended, there is staging
 *   RESIDENT ───────────────▶ CAPTURE ───────────────────────▶ EVICT (above)
 *      ▲                         │
 *      └─────────────────────────┘ the capture has failed
 *
 *   C1  Nothing is installed in a page of a CAPTURE batch, and nothing else
 *       takes it out: whoever needs the page waits for the batch.
 *   C2  A CAPTURE batch has no staging.  So however long it takes, it holds up
 *       nobody who needs staging.
 *   C3  For CAPTURE_SOON_NS its pages count as frames that will be free soon,
 *       so that no more than that is taken out.  Later they do not: it may be
 *       *stuck* (a client holds the lock of the data file).  If it is said to
 *       be, nobody waits for it: faults on its pages are answered -EBUSY,
 *       advice ends.
 *   C4  There is a batch for each ticket: other batches leave them free. */
#include "daemon/pager/capture.h"

#include "daemon/pager/account.h"
#include "daemon/pager/book.h"
#include "daemon/pager/frame.h"
#include "daemon/pager/page.h"
#include "daemon/pager/write_back.h"
#include <errno.h>
#include <string.h>

#define CAPTURE_SOON_NS	UINT64_C(10000000)

/* ---- pages that are out */

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

/* The EVICTING page has been captured at `bytes`: free its frame if nothing
 * needs to be written, else make it page number b->page_count of the batch. */
static void sort_page(struct pager *pg, struct batch *b, segment_id segment,
		      page_id id, const void *bytes)
{
	struct pager_segment *sg = &pg->segment[segment];
	size_t length = (size_t)PAGER_UNIT_BYTES << sg->order;
	struct page *p = &pg->page[id];
	struct checksum_content content;
	struct checksum_key key;
	void *to;

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

/* The bytes of the EVICTING page are not needed. */
static void drop_page_out(struct pager *pg, struct pager_segment *sg,
			  page_id id)
{
	page_drop_slot(pg, sg, id);
	page_release(pg, sg, id, PAGE_ZERO);
}

/* Its memory failed while it was captured.  Its slot, if it had one, may hold
 * what it was before. */
static void lose_captured(struct pager *pg, struct pager_segment *sg,
			  page_id id)
{
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

/* Page `i` of the run has been taken out. */
static void page_is_out(struct pager *pg, struct batch *b,
			const struct pager_capture *run, page_id id,
			uint32_t i)
{
	struct pager_segment *sg = &pg->segment[run->segment];
	size_t length = (size_t)PAGER_UNIT_BYTES << sg->order;

	if (pg->page[id].state == PAGE_RESIDENT)
		page_enter(pg, sg, id, PAGE_EVICTING);
	pg->page[id].flags &= (uint8_t)~PAGE_PARTIAL;
	if (run->to == NULL || sg->state == SEGMENT_DYING)
		drop_page_out(pg, sg, id);
	else if (has_lost_bytes(run, sg->order, i))
		lose_captured(pg, sg, id);
	else
		sort_page(pg, b, run->segment, id,
			  (const uint8_t *)run->to + i * length);
}

/* A capture of the run has been refused, or has failed: note why. */
static void note_why(struct pager *pg, const struct pager_capture *run)
{
	struct pager_segment *sg = &pg->segment[run->segment];

	if (run->error == -EAGAIN || run->error == -EBUSY)
		account_bar(pg, sg->account, run->error);
	else if (run->error == -ENOTRECOVERABLE)
		sg->is_stuck = true;	/* its client's doing, and told apart */
	else
		pg->stats.capture_errors++;
}

/* The page has not been taken out. */
static void page_stays(struct pager *pg, const struct pager_capture *run,
		       page_id id)
{
	struct pager_segment *sg = &pg->segment[run->segment];

	if (pg->page[id].state == PAGE_EVICTING) {
		pg->page[id].batch = 0;
		page_enter(pg, sg, id, PAGE_RESIDENT);
	} else {
		book_write(pg, sg, id);		/* it was claimed */
		replace_stay(pg->replace, pg->page[id].frame);
	}
	/* Others come first. */
	if (run->error != -EAGAIN && run->error != -EBUSY)
		page_keep(pg, id);
}

/* Settle the pages of a run that has ended.  Returns how many are out. */
static uint32_t settle_run(struct pager *pg, struct batch *b,
			   const struct pager_capture *run)
{
	const struct pager_segment *sg = &pg->segment[run->segment];
	uint32_t count = (uint32_t)(run->count >> sg->order), out = 0;
	page_id first = (page_id)(sg->first + (run->unit >> sg->order));

	ASSERT(run->error == 0 || run->to != NULL);
	if (run->error != 0)
		note_why(pg, run);
	for (page_id id = first; id < first + count; id++) {
		pg->page[id].flags &= (uint8_t)~PAGE_LEAVING;
		/* Pages without a frame may lie in a run that is dropped. */
		if (page_frame(&pg->page[id]) == 0)
			continue;
		if (run->error != 0) {
			page_stays(pg, run, id);
			continue;
		}
		page_is_out(pg, b, run, id, id - first);
		out++;
	}
	return out;
}

/* ---- captures that end later */

uint64_t capture_coming_units(const struct pager *pg)
{
	uint64_t late = 0;

	for (uint32_t ticket = 1; pg->capturing_count != 0 &&
	     ticket <= PAGER_TICKETS_MAX; ticket++) {
		const struct batch *b = &pg->batch[pg->batch_of_ticket[ticket]];

		if (b->ticket == ticket &&
		    (b->is_stuck ||
		     pg->now_ns - b->started_ns > CAPTURE_SOON_NS))
			late += (uint64_t)b->page_count << b->order;
	}
	return pg->free_units + (uint64_t)pg->units[PAGE_EVICTING] - late;
}

static struct batch *batch_of_ticket(struct pager *pg,
				     const struct pager_capture *run)
{
	uint16_t *id = &pg->batch_of_ticket[run->ticket];

	ASSERT(run->ticket >= 1 && run->ticket <= PAGER_TICKETS_MAX);
	if (*id == 0) {
		*id = (uint16_t)batch_get(pg, BATCH_CAPTURE,
				pg->segment[run->segment].order);
		ASSERT(*id != 0);					/* C4 */
		pg->batch[*id].ticket = run->ticket;
		pg->batch[*id].started_ns = pg->now_ns;
		pg->capturing_count++;
		pg->stats.captures_late++;
	}
	return &pg->batch[*id];
}

/* The capture of the run is under way. */
static uint32_t add_late_run(struct pager *pg, const struct pager_capture *run)
{
	struct pager_segment *sg = &pg->segment[run->segment];
	struct batch *b = batch_of_ticket(pg, run);
	uint32_t count = (uint32_t)(run->count >> sg->order);
	page_id first = (page_id)(sg->first + (run->unit >> sg->order));

	ASSERT(b->order == sg->order);
	b->is_drop = run->to == NULL;
	for (page_id id = first; id < first + count; id++) {
		struct page *p = &pg->page[id];

		p->flags &= (uint8_t)~PAGE_LEAVING;
		if (page_frame(p) == 0)
			continue;
		pg->frame[p->frame].pins = 0;	/* of a dying segment */
		page_enter(pg, sg, id, PAGE_EVICTING);
		p->batch = (uint16_t)(b - pg->batch);
		pg->capturing_units += order_units(b->order);
		b->page[b->page_count] = id;
		b->segment[b->page_count] = run->segment;
		b->page_count++;
	}
	return count;
}

uint32_t capture_runs(struct pager *pg, batch_id id, struct pager_capture *run,
		      unsigned count)
{
	uint32_t out = 0, late = 0;

	if (count != 0)
		pg->ops->capture(pg->ctx, run, count);
	/* In their order: what stays moves down in staging. */
	for (unsigned i = 0; i < count; i++)
		if (run[i].error == -EINPROGRESS)
			late += add_late_run(pg, &run[i]);
		else
			out += settle_run(pg, &pg->batch[id], &run[i]);
	pg->stats.evicted += out;
	return out + late;
}

int capture_drop(struct pager *pg, segment_id segment, uint64_t first,
		 uint64_t count)
{
	unsigned order = pg->segment[segment].order;
	struct pager_capture run = {
		.segment = segment,
		.unit = first << order,
		.count = count << order,
	};

	ASSERT(count <= BATCH_DROPS_MAX);
	pg->ops->capture(pg->ctx, &run, 1);
	if (run.error == -EINPROGRESS)
		(void)add_late_run(pg, &run);
	else if (run.error != 0)
		note_why(pg, &run);
	return run.error == 0 || run.error == -EINPROGRESS ||
	       run.error == -EAGAIN ? run.error : -EBUSY;
}

void capture_set_stuck(struct pager *pg, batch_id id, bool is_stuck)
{
	struct batch *b = &pg->batch[id];

	ASSERT(b->kind == BATCH_CAPTURE);
	if (b->is_stuck == is_stuck)
		return;
	pg->stuck_count -= b->is_stuck;
	b->is_stuck = is_stuck;
	pg->stuck_count += b->is_stuck;
	for (unsigned i = 0; i < b->page_count; i++) {
		struct pager_segment *sg = &pg->segment[b->segment[i]];

		if (!is_stuck) {
			sg->stuck_pages--;
			continue;
		}
		sg->stuck_pages++;
		account_bar(pg, sg->account, -EBUSY);
	}
}

/* C2: it needs staging only now. */
static bool take_room(struct pager *pg, struct batch *b)
{
	uint32_t units = (uint32_t)b->page_count << b->order;

	if (b->is_drop)
		return true;
	b->staging_count = staging_get(&pg->write_staging,
				       staging_all(&pg->write_staging),
				       units, units, &b->staging_first);
	return b->staging_count != 0;
}

bool capture_finish(struct pager *pg, batch_id id, struct batch *ret_was)
{
	struct pager_capture run[PAGER_CAPTURES_MAX];
	struct batch *b = &pg->batch[id];
	uint32_t ticket = b->ticket, out = 0;
	unsigned count;

	ASSERT(b->kind == BATCH_CAPTURE && !b->is_stuck);
	if (!batch_has_room(pg) || !take_room(pg, b))
		return false;
	*ret_was = *b;
	pg->batch_of_ticket[ticket] = 0;
	pg->capturing_count--;
	pg->capturing_units -= (uint32_t)b->page_count << b->order;
	*b = (struct batch){
		.kind = BATCH_EVICT,
		.order = ret_was->order,
		.staging_first = ret_was->staging_first,
		.staging_count = ret_was->staging_count,
	};
	count = pg->ops->collect(pg->ctx, ticket, ret_was->is_drop ? NULL :
				 batch_bytes(pg, b, 0), run);
	for (unsigned i = 0; i < count; i++)
		out += settle_run(pg, b, &run[i]);
	if (!ret_was->is_drop)
		pg->stats.evicted += out;
	write_back_start(pg, id);
	return true;
}
