/* SPDX-License-Identifier: MIT */
/* The frame table: getting and putting frames.  clock.c decides which frame is
 * evicted. */
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
	pg->frame_top = MAX(pg->frame_top, id);
	pg->free_units -= units;
	pg->frame_entries++;
	*fr = (struct frame){
		.page = page,
		.segment = segment,
		.flags = FRAME_REFERENCED | (fr->flags & FRAME_LINES),
		.order = sg->order,
	};
	account_add_frame(pg, sg->account, id);
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
		.flags = fr->flags & FRAME_LINES,
	};
	pg->frame_free = id;
}

void frame_set_flags(struct pager *pg, frame_id id, uint8_t set,
		     uint8_t clear)
{
	struct frame *fr = &pg->frame[id];

	fr->flags = (uint8_t)((fr->flags & ~clear) | set);
	if (set & FRAME_COLD)
		frame_line_add(pg, &pg->cold_line, id);
}

/* ---- lines (see struct frame_line) */

/* The place in the line that is `offset` behind the head. */
static frame_id *line_place(const struct pager *pg, struct frame_line *line,
			  uint32_t offset)
{
	uint64_t at = (uint64_t)line->head + offset;

	return &line->id[at % pg->config.frame_count];
}

void frame_line_add(struct pager *pg, struct frame_line *line, frame_id id)
{
	if (pg->frame[id].flags & line->flag)
		return;
	pg->frame[id].flags |= line->flag;
	*line_place(pg, line, line->count++) = id;
}

frame_id frame_line_take(struct pager *pg, struct frame_line *line)
{
	frame_id id;

	if (line->count == 0)
		return 0;
	id = *line_place(pg, line, 0);
	line->head = (line->head + 1) % pg->config.frame_count;
	line->count--;
	pg->frame[id].flags &= (uint8_t)~line->flag;
	return id;
}
