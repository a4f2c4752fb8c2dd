/* SPDX-License-Identifier: MIT */
/* Teardown: takes segments down in small pieces, so that no client notices a
 * delay.
 *
 *   T1  A DYING segment is in pager.dying if work on it is possible.  It is in
 *       pager.parked if ops.capture has refused, or if all its pages are in
 *       stuck batches; the next capture that ends brings it back.  If it is in
 *       neither, it waits for I/O or for captures of its pages, whose end wakes
 *       it.
 *   T2  It is *blocked* if it is parked because a capture may never end. */
#include "daemon/pager/teardown.h"

#include "daemon/pager/advice.h"
#include "daemon/pager/ahead.h"
#include "daemon/pager/capture.h"
#include "daemon/pager/frame.h"
#include "daemon/pager/page.h"
#include "daemon/pager/segment.h"
#include "daemon/pager/waiting.h"
#include <errno.h>

/* Free all that a page of a dying segment has.  The page must not be busy. */
static void page_forget(struct pager *pg, struct pager_segment *sg, page_id id)
{
	struct page *p = &pg->page[id];

	if (page_frame(p) != 0) {
		pg->frame[p->frame].pins = 0;
		frame_put(pg, p->frame);
	}
	p->frame = 0;
	page_drop_slot(pg, sg, id);
	p->flags = 0;
	page_enter(pg, sg, id, PAGE_ZERO);
}

static bool is_forgettable(const struct pager *pg,
			   const struct pager_segment *sg, uint64_t page)
{
	const struct page *p = &pg->page[sg->first + page];

	return p->state != PAGE_ZERO && !page_is_busy(p);
}

static void set_blocked(struct pager *pg, struct pager_segment *sg,
			bool is_blocked)
{
	if (sg->is_blocked != is_blocked)
		segment_charge_dying(pg, sg, is_blocked ? -1 : 1);
	pg->blocked_count -= sg->is_blocked;
	sg->is_blocked = is_blocked;
	pg->blocked_count += sg->is_blocked;
}

/* Forget the run of pages that starts at `page`, at most `most` pages, and take
 * their data out of the file in one call.  If that ends later, those with data
 * are busy until then.  *ret_error: 0, or -EAGAIN or -EBUSY if ops.capture has
 * refused.  Returns the end of the run. */
static uint64_t forget_run(struct pager *pg, segment_id id, uint64_t page,
			   uint64_t most, int *ret_error)
{
	struct pager_segment *sg = &pg->segment[id];
	uint64_t end = page;
	bool has_data = false;
	int err = 0;

	most = MIN(most, (uint64_t)BATCH_DROPS_MAX);
	while (end < sg->page_count && end - page < most &&
	       page_next_used(pg, sg, end, 1) == end &&
	       is_forgettable(pg, sg, end)) {
		has_data |= page_frame(&pg->page[sg->first + end]) != 0;
		end++;
	}
	if (has_data)
		err = capture_drop(pg, id, page, end - page);
	*ret_error = err == -EINPROGRESS ? 0 : err;
	if (*ret_error != 0)
		return page;
	for (; page < end; page++)
		if (is_forgettable(pg, sg, page))
			page_forget(pg, sg, (page_id)(sg->first + page));
	return end;
}

static uint32_t used_pages(const struct pager_segment *sg)
{
	uint32_t sum = 0;

	for (unsigned state = PAGE_ZERO + 1; state < PAGE_STATES; state++)
		sum += sg->count[state];
	return sum;
}

static uint32_t busy_pages(const struct pager_segment *sg)
{
	return sg->count[PAGE_LOADING] + sg->count[PAGE_EVICTING] +
	       sg->writing;
}

enum {
	/* Passing over this many chunks costs as much as taking out one
	 * unit. */
	CHUNKS_PER_UNIT = 8,
	/* Chunks of the page table that are given back in one call.
	 * SHED_CHUNKS_PER_UNIT of them cost as much as taking out one unit; the
	 * call itself costs SHED_COST units. */
	SHED_CHUNKS = 256,
	SHED_CHUNKS_PER_UNIT = 2,
	SHED_COST = 4,
	/* Cost of freeing the segment at the end, in units. */
	GONE_COST = 16,
};

static void teardown_spend(uint32_t *budget, uint64_t cost)
{
	*budget -= (uint32_t)MIN((uint64_t)*budget, cost);
}

/* Give back entries of the page table; only touched ones use memory.  True if
 * all are given back. */
static bool shed_entries(struct pager *pg, struct pager_segment *sg)
{
	uint64_t all = segment_table_pages(sg), end = sg->first + all;

	while (pg->teardown_budget > 0 && sg->shed_cursor < all) {
		uint64_t at = table_next_used(&pg->page_table,
					      sg->first + sg->shed_cursor);
		uint64_t count = at >= end ? 0 :
			MIN(end - at, (uint64_t)SHED_CHUNKS * PAGES_PER_CHUNK);

		if (count != 0)
			table_discard(&pg->page_table, at, count);
		sg->shed_cursor = MIN(at, end) + count - sg->first;
		teardown_spend(&pg->teardown_budget, SHED_COST +
			       count / PAGES_PER_CHUNK / SHED_CHUNKS_PER_UNIT);
	}
	return sg->shed_cursor == all;
}

/* The result of one turn for a dying segment. */
enum teardown_end {
	TEARDOWN_GONE,
	TEARDOWN_GOES_ON,	/* in the next turn */
	TEARDOWN_WAITS,		/* for I/O or captures of its pages */
	TEARDOWN_PARKED,	/* ops.capture has refused */
	TEARDOWN_BLOCKED,	/* the same, and that may never change (T2) */
};

/* No page is left: give back the entries of the page table, and the data file.
 * A large segment takes several turns. */
static enum teardown_end segment_shed(struct pager *pg, segment_id id)
{
	uint32_t *budget = &pg->teardown_budget;

	if (!shed_entries(pg, &pg->segment[id]) || *budget == 0 ||
	    (pg->ops->shed != NULL && !pg->ops->shed(pg->ctx, id, budget)))
		return TEARDOWN_GOES_ON;
	teardown_spend(budget, GONE_COST);
	segment_free(pg, id);
	return TEARDOWN_GONE;
}

/* Forget pages of a DYING segment, as many as the budget of the turn allows.
 * Busy pages stay until their I/O has ended.  When no page is left, the segment
 * goes.  If ops.capture refuses, everything stays: frames are charged as long
 * as their memory is in use. */
static enum teardown_end take_pages_down(struct pager *pg, segment_id id)
{
	struct pager_segment *sg = &pg->segment[id];
	uint32_t *budget = &pg->teardown_budget;

	set_blocked(pg, sg, false);
	while (*budget > 0 && sg->teardown_cursor < sg->page_count) {
		uint64_t from = sg->teardown_cursor;
		uint64_t page = page_next_used(pg, sg, from,
					       *budget * CHUNKS_PER_UNIT);
		uint64_t end = page, cost;
		int err = 0;

		/* Passing over untouched pages is not free either. */
		teardown_spend(budget, (page - from) / PAGES_PER_CHUNK /
				       CHUNKS_PER_UNIT);
		if (*budget == 0) {
			sg->teardown_cursor = page;
			break;
		}
		if (page < sg->page_count)
			end = forget_run(pg, id, page,
					 MAX(*budget >> sg->order, 1u), &err);
		if (err != 0)
			return err == -EAGAIN ? TEARDOWN_PARKED :
						TEARDOWN_BLOCKED;
		cost = ((end - page) << sg->order) + 1;
		if (end == page)
			end = MIN(page + 1, sg->page_count);
		teardown_spend(budget, cost);
		sg->teardown_cursor = end;
	}
	if (sg->teardown_cursor < sg->page_count)
		return TEARDOWN_GOES_ON;
	if (used_pages(sg) == 0)
		return segment_shed(pg, id);
	/* Walk again: for busy pages when their I/O has ended; at once if pages
	 * were busy during this walk and are not now. */
	sg->teardown_cursor = 0;
	if (used_pages(sg) > busy_pages(sg))
		return TEARDOWN_GOES_ON;
	if (used_pages(sg) > sg->stuck_pages)
		return TEARDOWN_WAITS;
	return TEARDOWN_BLOCKED;
}

/* ---- which segments can go on */

static void queue_push(struct pager *pg, struct segment_queue *q,
		       segment_id id)
{
	pg->segment[id].dying_next = 0;
	if (q->tail != 0)
		pg->segment[q->tail].dying_next = id;
	else
		q->head = id;
	q->tail = id;
}

static segment_id queue_pop(struct pager *pg, struct segment_queue *q)
{
	segment_id id = q->head;

	if (id == 0)
		return 0;
	q->head = pg->segment[id].dying_next;
	if (q->head == 0)
		q->tail = 0;
	return id;
}

static void park(struct pager *pg, segment_id id)
{
	pg->segment[id].is_parked = true;
	queue_push(pg, &pg->parked, id);
}

static void enqueue_dying(struct pager *pg, segment_id id)
{
	pg->segment[id].is_dying_queued = true;
	queue_push(pg, &pg->dying, id);
}

void teardown_wake(struct pager *pg, segment_id id)
{
	const struct pager_segment *sg = &pg->segment[id];

	if (sg->state == SEGMENT_DYING && !sg->is_dying_queued &&
	    !sg->is_parked)
		enqueue_dying(pg, id);
}

/* The segment must be in no queue. */
static void teardown_step(struct pager *pg, segment_id id)
{
	switch (take_pages_down(pg, id)) {
	case TEARDOWN_GOES_ON:
		enqueue_dying(pg, id);
		break;
	case TEARDOWN_BLOCKED:
		set_blocked(pg, &pg->segment[id], true);
		park(pg, id);
		break;
	case TEARDOWN_PARKED:
		park(pg, id);
		break;
	case TEARDOWN_WAITS:
	case TEARDOWN_GONE:
		break;
	}
}

void teardown_run(struct pager *pg)
{
	segment_id last = pg->dying.tail, id = 0;

	while (id != last && pg->teardown_budget > 0) {
		id = queue_pop(pg, &pg->dying);
		pg->segment[id].is_dying_queued = false;
		teardown_spend(&pg->teardown_budget, 1);
		teardown_step(pg, id);
	}
}

void teardown_retry_parked(struct pager *pg)
{
	segment_id id;

	while ((id = queue_pop(pg, &pg->parked)) != 0) {
		pg->segment[id].is_parked = false;
		enqueue_dying(pg, id);
	}
}

void pager_segment_destroy(struct pager *pg, segment_id segment)
{
	struct pager_segment *sg = &pg->segment[segment];

	ASSERT(segment != 0 && sg->state == SEGMENT_LIVE);
	sg->state = SEGMENT_DYING;
	pg->dying_count++;
	pg->pinned_units -= sg->pinned_units;
	if (sg->is_reserved)
		pg->reserved_pinned_units -= sg->pinned_units;
	for (account_id id = sg->account; id != 0;
	     id = pg->account[id].parent)
		pg->account[id].pinned_units -= sg->pinned_units;
	sg->pinned_units = 0;
	segment_charge_dying(pg, sg, 1);
	waiting_fail_segment(pg, segment);
	advice_end_segment(pg, segment);
	ahead_forget(pg, segment);
	teardown_step(pg, segment);
}
