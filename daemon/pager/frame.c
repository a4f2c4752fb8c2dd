/* SPDX-License-Identifier: MIT */
/* The frame table: getting and putting frames. */
#include "daemon/pager/frame.h"

#include "daemon/pager/account.h"

/* Returns `account` or the first one above it that has no room for `units` more
 * frames; 0: all have. */
static account_id account_in_the_way(const struct pager *pg,
				     account_id account, uint64_t units)
{
	while (account != 0 && !account_is_over(pg, account, units))
		account = pg->account[account].parent;
	return account;
}

/* Readahead leaves a quarter of the low watermark free, not all of it: under
 * load the pool is below the watermark half of the time. */
uint32_t frame_room(const struct pager *pg, const struct pager_segment *sg,
		    bool has_waiter, uint32_t most)
{
	uint64_t room = pg->free_units - MIN(pg->free_units,
					     pg->config.low_watermark / 4);

	if (has_waiter)
		room = MAX(room, pg->free_units / 2);

	for (account_id id = sg->account; id != 0;
	     id = pg->account[id].parent) {
		const struct pager_account *ac = &pg->account[id];
		uint64_t limit = account_effective_limit(
			ac, order_units(sg->order));

		if (ac->limit_frames != 0)
			room = MIN(room, limit -
				   MIN(limit, ac->used_frames +
					      ac->lent_units));
	}
	return (uint32_t)MIN(room >> sg->order, (uint64_t)most);
}

account_id frame_limited_by(const struct pager *pg,
			    const struct pager_segment *sg)
{
	return account_in_the_way(pg, sg->account, order_units(sg->order));
}

frame_id frame_get(struct pager *pg, segment_id segment, page_id page,
		   account_id *ret_account)
{
	const struct pager_segment *sg = &pg->segment[segment];
	uint32_t units = order_units(sg->order);

	*ret_account = account_in_the_way(pg, sg->account, units);
	return *ret_account != 0 || pg->free_units < units ? 0 :
		frame_take(pg, segment, page);
}

frame_id frame_take(struct pager *pg, segment_id segment, page_id page)
{
	struct pager_segment *sg = &pg->segment[segment];
	uint32_t units = order_units(sg->order);
	frame_id id = pg->frame_free;
	struct frame *fr;

	ASSERT(id <= pg->config.frame_count && pg->free_units >= units);
	fr = &pg->frame[id];
	pg->frame_free = next_free_entry(id, fr->next);
	pg->free_units -= units;
	pg->frame_entries++;
	*fr = (struct frame){
		.page = page,
		.segment = segment,
		.flags = fr->flags & FRAME_IN_SLOTTED,
		.order = sg->order,
	};
	account_add_frame(pg, sg->account, id,
			  pg->page[page].state == PAGE_SWAPPED ?
			  pg->page[page].left : 0);
	return id;
}

void frame_put(struct pager *pg, frame_id id)
{
	struct frame *fr = &pg->frame[id];
	struct pager_segment *sg = &pg->segment[fr->segment];
	uint32_t units = order_units(fr->order);

	ASSERT(id != 0 && fr->page != 0 && fr->pins == 0);
	if ((fr->flags & FRAME_AHEAD) && sg->state == SEGMENT_LIVE) {
		pg->stats.readahead_wasted++;
		stream_count_use(&sg->streams, 0, 1);
	}
	account_remove_frame(pg, sg->account, id);
	pg->free_units += units;
	pg->frame_entries--;
	*fr = (struct frame){
		.next = pg->frame_free,
		.flags = fr->flags & FRAME_IN_SLOTTED,
	};
	pg->frame_free = id;
}

static void frame_tell_used(const struct pager *pg, const struct frame *fr)
{
	const struct pager_segment *sg = &pg->segment[fr->segment];

	if (pg->up->used != NULL)
		pg->up->used(pg->up_ctx, fr->segment, page_index(sg, fr->page));
}

void frame_set_flags(struct pager *pg, frame_id id, uint8_t set,
		     uint8_t clear)
{
	struct frame *fr = &pg->frame[id];

	ASSERT(id <= pg->config.frame_count);
	if (fr->flags & clear & FRAME_AHEAD)
		frame_tell_used(pg, fr);
	fr->flags = (uint8_t)((fr->flags & ~clear) | set);
}

void frame_note_intake(struct pager *pg, frame_id id, bool is_ahead)
{
	frame_set_flags(pg, id, is_ahead ? FRAME_FRESH | FRAME_AHEAD :
			FRAME_FRESH, 0);
	if (is_ahead)
		replace_expect(pg->replace, id);
}

/* ---- frames whose pages keep slots */

void frame_note_slotted(struct pager *pg, frame_id id)
{
	if (pg->frame[id].flags & FRAME_IN_SLOTTED)
		return;
	pg->frame[id].flags |= FRAME_IN_SLOTTED;
	frame_line_add(&pg->slotted_line, id);
}

frame_id frame_take_slotted(struct pager *pg)
{
	frame_id id = frame_line_take(&pg->slotted_line);

	if (id != 0)
		pg->frame[id].flags &= (uint8_t)~FRAME_IN_SLOTTED;
	return id;
}
