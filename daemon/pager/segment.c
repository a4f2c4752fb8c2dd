/* SPDX-License-Identifier: MIT */
/* The segment table: ranges of the page table, commitment, and taking a
 * segment down in pieces that nobody notices. */
#include "daemon/pager/internal.h"

#include <errno.h>

/* Units that may be promised: all that pool and store can hold at once. */
uint64_t segment_commit_limit(const struct pager *pg)
{
	/* The reserve is what guarantees progress: twice the largest page
	 * there may be (segment_create: a sixteenth of the pool).  So either
	 * enough frames are free for such a page or enough slots to evict
	 * one; with less, both could be short of it by a few units. */
	uint64_t reserve = MAX(pg->config.frame_count / 8, 16u);
	uint64_t room = (uint64_t)pg->config.slot_count +
			pg->config.frame_count - reserve;

	return room - MIN(room, (uint64_t)pg->slots.quarantined_count);
}

static uint64_t table_pages(const struct pager_segment *sg)
{
	return DIV_ROUND_UP(sg->page_count, PAGES_PER_CHUNK) * PAGES_PER_CHUNK;
}

/* The first gap behind segment *before, 0: from the start.  Returns where it
 * starts, and which segment is before it; 0: there is none. */
static page_id find_gap(const struct pager *pg, uint64_t need,
			segment_id *before)
{
	for (;;) {
		const struct pager_segment *sg = &pg->segment[*before];
		bool is_start = *before == 0;	/* page 0 is nobody's */
		uint64_t at = is_start ? PAGES_PER_CHUNK :
					 sg->first + table_pages(sg);
		segment_id next = is_start ? pg->segment_first : sg->next;

		if (next == 0 || pg->segment[next].first - at >= need)
			return at + need <= pg->page_limit ? (page_id)at : 0;
		*before = next;
	}
}

/* Next-fit: whoever makes many segments must not cost all others a walk along
 * them each time. */
static page_id find_range(const struct pager *pg, uint64_t page_count,
			  segment_id *ret_before)
{
	uint64_t need = DIV_ROUND_UP(page_count, PAGES_PER_CHUNK) *
			PAGES_PER_CHUNK;
	page_id first;

	*ret_before = pg->segment_hint;
	first = find_gap(pg, need, ret_before);
	if (first != 0 || pg->segment_hint == 0)
		return first;
	*ret_before = 0;
	return find_gap(pg, need, ret_before);
}

static void add_behind(struct pager *pg, segment_id before, segment_id id)
{
	struct pager_segment *sg = &pg->segment[id];
	segment_id *link = before == 0 ? &pg->segment_first :
					 &pg->segment[before].next;

	sg->prev = before;
	sg->next = *link;
	*link = id;
	if (sg->next != 0)
		pg->segment[sg->next].prev = id;
	pg->segment_hint = id;
}

static void remove_segment(struct pager *pg, segment_id id)
{
	struct pager_segment *sg = &pg->segment[id];
	segment_id *link = sg->prev == 0 ? &pg->segment_first :
					   &pg->segment[sg->prev].next;

	*link = sg->next;
	if (sg->next != 0)
		pg->segment[sg->next].prev = sg->prev;
	if (pg->segment_hint == id)
		pg->segment_hint = sg->prev;
}

int pager_segment_create(struct pager *pg, uint64_t serial,
			 uint64_t page_count, unsigned order,
			 account_id account, segment_id *ret_segment)
{
	segment_id id = pg->segment_free, before;
	struct pager_segment *sg;
	uint64_t units;
	page_id first;
	int err;

	if (page_count == 0 || page_count > UINT32_MAX ||
	    pg->config.frame_count / 16 < order_units(order) ||
	    pg->read_staging.unit_count < order_units(order) ||
	    pg->write_staging.unit_count < order_units(order))
		return -EINVAL;
	if (id > pg->config.segments_max)
		return -EAGAIN;
	units = page_count << order;
	if (units > segment_commit_limit(pg) ||
	    pg->committed_units > segment_commit_limit(pg) - units)
		return -ENOSPC;
	first = find_range(pg, page_count, &before);
	if (first == 0)
		return -ENOSPC;
	err = account_map(pg, account, units);
	if (err != 0)
		return err;
	sg = &pg->segment[id];
	pg->segment_free = next_free_entry(id, sg->next);
	*sg = (struct pager_segment){
		.serial = serial,
		.page_count = page_count,
		.first = first,
		.account = account,
		.state = SEGMENT_LIVE,
		.order = (uint8_t)order,
	};
	add_behind(pg, before, id);
	pg->committed_units += units;
	pg->segment_count++;
	*ret_segment = id;
	return 0;
}

void pager_segment_reserve(struct pager *pg, segment_id segment)
{
	struct pager_segment *sg = &pg->segment[segment];

	ASSERT(sg->state == SEGMENT_LIVE && sg->pinned_units == 0);
	sg->is_reserved = true;
}

/* It is DYING, and nothing keeps it (or, with a negative number, no more). */
static void charge_dying(struct pager *pg, const struct pager_segment *sg,
			 int64_t sign)
{
	uint64_t units = (uint64_t)sign * (sg->page_count << sg->order);

	pg->dying_units += units;
	for (account_id id = sg->account; id != 0;
	     id = pg->account[id].parent)
		pg->account[id].dying_units += units;
}

bool pager_segment_will_fit(const struct pager *pg, uint64_t page_count,
			    unsigned order, account_id account)
{
	uint64_t units = page_count << order;

	if (pg->dying_units == 0 ||
	    pg->committed_units - pg->dying_units + units >
	    segment_commit_limit(pg))
		return false;
	for (; account != 0; account = pg->account[account].parent) {
		const struct pager_account *ac = &pg->account[account];

		if (ac->limit_mapped_units != 0 &&
		    ac->mapped_units - ac->dying_units + units >
		    ac->limit_mapped_units)
			return false;
	}
	return true;
}

static void segment_free(struct pager *pg, segment_id id)
{
	struct pager_segment *sg = &pg->segment[id];
	uint64_t units = sg->page_count << sg->order;

	charge_dying(pg, sg, -1);
	remove_segment(pg, id);
	account_unmap(pg, sg->account, units);
	pg->committed_units -= units;
	pg->segment_count--;
	pg->dying_count--;
	*sg = (struct pager_segment){ .next = pg->segment_free };
	pg->segment_free = id;
	pg->ops->segment_gone(pg->ctx, id);
}

/* Forget a page of a dying segment that is not busy. */
static void page_forget(struct pager *pg, struct pager_segment *sg, page_id id)
{
	struct page *p = &pg->page[id];

	if (p->frame != 0) {
		pg->frame[p->frame].pins = 0;
		frame_put(pg, p->frame);
		p->frame = 0;
	}
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
		charge_dying(pg, sg, is_blocked ? -1 : 1);
	pg->blocked_count -= sg->is_blocked;
	sg->is_blocked = is_blocked;
	pg->blocked_count += sg->is_blocked;
}

/* Forget the run of forgettable pages that starts at `page`; its data leaves
 * the file in one go.  Returns its end; `page` when the data would not go. */
static uint64_t forget_run(struct pager *pg, segment_id id, uint64_t page,
			   uint64_t most)
{
	struct pager_segment *sg = &pg->segment[id];
	uint64_t end = page;
	bool has_data = false;

	while (end < sg->page_count && end - page < most &&
	       page_next_used(pg, sg, end, 1) == end &&
	       is_forgettable(pg, sg, end)) {
		has_data |= pg->page[sg->first + end].frame != 0;
		end++;
	}
	if (has_data && pg->ops->discard(pg->ctx, id, page << sg->order,
					 (end - page) << sg->order) != 0) {
		set_blocked(pg, sg, true);
		return page;
	}
	for (; page < end; page++)
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
	CHUNKS_PER_UNIT = 8,	/* that cost as much to pass over */
	/* Of the page table, given back at once; as many cost as much as to
	 * take out a unit.  To ask for some costs as much as four units. */
	SHED_CHUNKS = 256,
	SHED_CHUNKS_PER_UNIT = 2,
	SHED_COST = 4,
	GONE_COST = 16,		/* whatever it was */
};

static void teardown_spend(uint32_t *budget, uint64_t cost)
{
	*budget -= (uint32_t)MIN((uint64_t)*budget, cost);
}

/* Give back entries of the page table, which has memory only where it was
 * touched.  Returns whether that was all. */
static bool shed_entries(struct pager *pg, struct pager_segment *sg)
{
	uint64_t all = table_pages(sg), end = sg->first + all;

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

/* No page is left: what described them goes, and the data file.  A large one
 * takes several turns. */
static void segment_shed(struct pager *pg, segment_id id)
{
	uint32_t *budget = &pg->teardown_budget;

	if (shed_entries(pg, &pg->segment[id]) && *budget > 0 &&
	    (pg->ops->shed == NULL || pg->ops->shed(pg->ctx, id, budget))) {
		teardown_spend(budget, GONE_COST);
		segment_free(pg, id);
		return;
	}
	pg->is_teardown_due = true;
}

/* Forget pages of a DYING segment, as many as the turn's budget has room for.
 * Busy ones are left until their I/O has ended; when none is left the segment
 * goes.  Where the data will not go all stays as it is: the frames are
 * charged as long as their memory is taken. */
static void segment_teardown(struct pager *pg, segment_id id)
{
	struct pager_segment *sg = &pg->segment[id];
	uint32_t *budget = &pg->teardown_budget;

	set_blocked(pg, sg, false);
	while (*budget > 0 && sg->teardown_cursor < sg->page_count) {
		uint64_t from = sg->teardown_cursor;
		uint64_t page = page_next_used(pg, sg, from,
					       *budget * CHUNKS_PER_UNIT);
		uint64_t end = page, cost;

		/* To pass over what was never touched is not free either. */
		teardown_spend(budget, (page - from) / PAGES_PER_CHUNK /
				       CHUNKS_PER_UNIT);
		if (*budget == 0) {
			sg->teardown_cursor = page;
			break;
		}
		if (page < sg->page_count)
			end = forget_run(pg, id, page,
					 MAX(*budget >> sg->order, 1u));
		if (sg->is_blocked)
			return;
		cost = ((end - page) << sg->order) + 1;
		if (end == page)
			end = MIN(page + 1, sg->page_count);
		teardown_spend(budget, cost);
		sg->teardown_cursor = end;
	}
	if (sg->teardown_cursor < sg->page_count) {
		pg->is_teardown_due = true;
	} else if (used_pages(sg) == 0) {
		segment_shed(pg, id);
	} else {
		/* Once more: for busy pages when their I/O has ended, for
		 * those that were busy only when we passed, now. */
		sg->teardown_cursor = 0;
		pg->is_teardown_due |= used_pages(sg) > busy_pages(sg);
	}
}

static void dying_add(struct pager *pg, segment_id id)
{
	pg->segment[id].dying_next = 0;
	if (pg->dying_tail != 0)
		pg->segment[pg->dying_tail].dying_next = id;
	else
		pg->dying_head = id;
	pg->dying_tail = id;
}

static segment_id dying_take(struct pager *pg)
{
	segment_id id = pg->dying_head;

	pg->dying_head = pg->segment[id].dying_next;
	if (pg->dying_head == 0)
		pg->dying_tail = 0;
	return id;
}

/* One turn's worth, of all dying segments together: as many of them, from the
 * one that has waited longest on, as the budget has room for. */
void segment_teardown_all(struct pager *pg)
{
	uint32_t left = pg->dying_count;

	pg->is_teardown_due = false;
	for (; left > 0 && pg->teardown_budget > 0; left--) {
		segment_id id = dying_take(pg);

		teardown_spend(&pg->teardown_budget, 1);
		segment_teardown(pg, id);
		if (pg->segment[id].state == SEGMENT_DYING)
			dying_add(pg, id);
	}
	pg->is_teardown_due |= left > 0;
}

uint32_t pager_retry_teardown(struct pager *pg)
{
	pg->is_teardown_due |= pg->blocked_count != 0;
	return pg->blocked_count;
}

/* Its faults, wherever they wait. */
static void fail_faults(struct pager *pg, segment_id segment)
{
	struct pager_segment *sg = &pg->segment[segment];

	if (sg->waiting_count == 0)
		return;
	fault_fail_waiting(pg, &pg->pool_waiting, segment, -EFAULT);
	for (account_id id = sg->account; id != 0;
	     id = pg->account[id].parent)
		fault_fail_account(pg, id, segment, -EFAULT);
	for (batch_id id = 1; id < pg->batch_table.element_count; id++)
		if (pg->batch[id].kind == BATCH_LOAD &&
		    pg->batch[id].segment[0] == segment)
			fault_fail_waiting(pg, &pg->batch[id].waiting, 0,
					   -EFAULT);
	ASSERT(sg->waiting_count == 0);
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
	charge_dying(pg, sg, 1);
	fail_faults(pg, segment);
	advice_end_segment(pg, segment);
	ahead_forget(pg, segment);
	segment_teardown(pg, segment);
	if (sg->state == SEGMENT_DYING)
		dying_add(pg, segment);
}

void pager_segment_get(const struct pager *pg, segment_id segment,
		       struct segment_info *ret_info)
{
	const struct pager_segment *sg = &pg->segment[segment];

	ASSERT(segment != 0 && sg->state != SEGMENT_FREE);
	*ret_info = (struct segment_info){
		.serial = sg->serial,
		.page_count = sg->page_count,
		.order = sg->order,
		.account = sg->account,
		.resident = sg->count[PAGE_RESIDENT],
		.swapped = sg->count[PAGE_SWAPPED],
		.dirty = sg->count[PAGE_RESIDENT] - sg->slotted,
		.lost = sg->count[PAGE_LOST],
		.pinned = sg->pinned_units >> sg->order,
		.loading = sg->count[PAGE_LOADING],
		.evicting = sg->count[PAGE_EVICTING],
	};
}
