/* SPDX-License-Identifier: MIT */
/* The segment table: each segment has a range of the page table.
 * Commitment. */
#include "daemon/pager/segment.h"

#include "daemon/pager/account.h"
#include <errno.h>

static uint64_t with_shared_slots(const struct pager *pg)
{
	/* The reserve guarantees progress.  It is twice the largest page that
	 * is allowed (a sixteenth of the pool: pager_segment_create()).  So
	 * there are always either enough free frames for such a page, or enough
	 * slots to evict one.  Without the reserve, both could lack a few
	 * units. */
	uint64_t reserve = MAX(pg->config.frame_count / 8, 16u);
	return (uint64_t)pg->config.slot_count + pg->config.frame_count -
	       reserve;
}

/* With areas, frames are no room: a page of one area cannot leave to a slot of
 * another one, however many of those are free. */
uint64_t segment_commit_limit(const struct pager *pg)
{
	uint64_t room = pg->config.areas_max != 0 ? pg->config.slot_count :
						     with_shared_slots(pg);

	return room - MIN(room, (uint64_t)pg->slots.count.quarantined);
}

static void area_commit(struct pager *pg, area_id area, uint64_t units)
{
	if (area != 0)
		slots_area(&pg->slots, area)->committed_units += units;
}

uint64_t segment_table_pages(const struct pager_segment *sg)
{
	return DIV_ROUND_UP(sg->page_count, PAGES_PER_CHUNK) * PAGES_PER_CHUNK;
}

/* Find the first gap of `need` entries behind segment *before (0: from the
 * start).  Returns the first entry, or 0 if there is no gap.  *before becomes
 * the segment before the gap. */
static page_id find_gap(const struct pager *pg, uint64_t need,
			segment_id *before)
{
	for (;;) {
		const struct pager_segment *sg = &pg->segment[*before];
		/* Entry 0 belongs to no segment. */
		bool is_start = *before == 0;
		uint64_t at = is_start ? PAGES_PER_CHUNK :
					 sg->first + segment_table_pages(sg);
		segment_id next = is_start ? pg->segment_first : sg->next;

		if (next == 0 || pg->segment[next].first - at >= need)
			return at + need <= pg->page_limit ? (page_id)at : 0;
		*before = next;
	}
}

/* Next-fit: the search starts behind the segment that was added last.  So a
 * client that makes many segments does not cause a walk over all of them each
 * time. */
static page_id find_page_range(const struct pager *pg, uint64_t page_count,
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

int pager_segment_try(const struct pager *pg, uint64_t page_count,
		      unsigned order, account_id account)
{
	uint64_t units = page_count << order, limit = segment_commit_limit(pg);
	segment_id before;

	if (page_count == 0 || page_count > UINT32_MAX ||
	    pg->config.frame_count / 16 < order_units(order) ||
	    pg->read_staging.unit_count < order_units(order) ||
	    pg->write_staging.unit_count < order_units(order))
		return -EINVAL;
	if (pg->segment_free > pg->config.segments_max)
		return -EAGAIN;
	if (units > limit || pg->committed_units > limit - units ||
	    find_page_range(pg, page_count, &before) == 0)
		return -ENOSPC;
	return account_may_map(pg, account, units) ? 0 : -EDQUOT;
}

int pager_segment_create(struct pager *pg, uint64_t serial,
			 uint64_t page_count, unsigned order,
			 account_id account, area_id area,
			 segment_id *ret_segment)
{
	segment_id id = pg->segment_free, before;
	int err = pager_segment_try(pg, page_count, order, account);
	uint64_t units = page_count << order;
	struct pager_segment *sg;

	ASSERT((area != 0) == (pg->config.areas_max != 0));
	if (err == 0 && area != 0 && pager_area_lacks(pg, area, units) != 0)
		err = -ENOSPC;
	if (err != 0)
		return err;
	account_map(pg, account, units);
	sg = &pg->segment[id];
	pg->segment_free = next_free_entry(id, sg->next);
	*sg = (struct pager_segment){
		.serial = serial,
		.page_count = page_count,
		.first = find_page_range(pg, page_count, &before),
		.account = account,
		.area = area != 0 ? area : pg->only_area,
		.state = SEGMENT_LIVE,
		.order = (uint8_t)order,
	};
	add_behind(pg, before, id);
	pg->committed_units += units;
	area_commit(pg, sg->area, units);
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

void segment_charge_dying(struct pager *pg, const struct pager_segment *sg,
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

void segment_free(struct pager *pg, segment_id id)
{
	struct pager_segment *sg = &pg->segment[id];
	uint64_t units = sg->page_count << sg->order;

	segment_charge_dying(pg, sg, -1);
	remove_segment(pg, id);
	account_unmap(pg, sg->account, units);
	pg->committed_units -= units;
	area_commit(pg, sg->area, 0 - units);
	pg->segment_count--;
	pg->dying_count--;
	*sg = (struct pager_segment){ .next = pg->segment_free };
	pg->segment_free = id;
	pg->up->segment_gone(pg->up_ctx, id);
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
		.area = sg->area,
		.resident = sg->count[PAGE_RESIDENT],
		.swapped = sg->count[PAGE_SWAPPED],
		.dirty = sg->count[PAGE_RESIDENT] - sg->slotted,
		.lost = sg->count[PAGE_LOST],
		.pinned = sg->pinned_units >> sg->order,
		.loading = sg->count[PAGE_LOADING],
		.evicting = sg->count[PAGE_EVICTING],
	};
}
