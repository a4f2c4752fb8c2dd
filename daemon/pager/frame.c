/* SPDX-License-Identifier: MIT */
/* The frame table: getting and putting frames, and nothing about whom to
 * take them from (clock.c). */
#include "daemon/pager/internal.h"

/* The account at or above `account` that has no room for `units` more. */
static account_id account_in_the_way(const struct pager *pg,
				     account_id account, uint64_t units)
{
	while (account != 0 && !account_is_over(pg, account, units))
		account = pg->account[account].parent;
	return account;
}

/* How many more pages of the segment, `most` at most, have room within all
 * limits and without touching the last quarter of the low watermark: what
 * readahead may take.  (All of the watermark would be too much: under load the
 * pool is below it half of the time.)  With a waiter, who would soon ask for
 * the others too, half of that quarter's rest as well. */
uint32_t frame_room(const struct pager *pg, const struct segment *sg,
		    bool has_waiter, uint32_t most)
{
	uint64_t room = pg->free_units - MIN(pg->free_units,
					     pg->config.low_watermark / 4);

	if (has_waiter)
		room = MAX(room, pg->free_units / 2);

	for (account_id id = sg->account; id != 0;
	     id = pg->account[id].parent) {
		const struct account *ac = &pg->account[id];
		uint64_t limit = account_effective_limit(
			ac, order_units(sg->order));

		if (ac->limit_frames != 0)
			room = MIN(room, limit - MIN(limit, ac->used_frames));
	}
	return (uint32_t)MIN(room >> sg->order, (uint64_t)most);
}

/* The account whose limit leaves no room for a page of the segment, or 0. */
account_id frame_limited_by(const struct pager *pg, const struct segment *sg)
{
	return account_in_the_way(pg, sg->account, order_units(sg->order));
}

frame_id frame_get(struct pager *pg, segment_id segment, page_id page,
		   account_id *ret_account)
{
	struct segment *sg = &pg->segment[segment];
	uint32_t units = order_units(sg->order);
	frame_id id = pg->frame_free;
	struct frame *fr;

	*ret_account = account_in_the_way(pg, sg->account, units);
	if (*ret_account != 0 || pg->free_units < units)
		return 0;
	ASSERT(id <= pg->config.frame_count);
	fr = &pg->frame[id];
	pg->frame_free = next_free_entry(id, fr->next_free);
	pg->free_units -= units;
	account_charge(pg, sg->account, units);
	*fr = (struct frame){
		.page = page,
		.segment = segment,
		.flags = FRAME_REFERENCED,
		.order = sg->order,
	};
	return id;
}

void frame_put(struct pager *pg, frame_id id)
{
	struct frame *fr = &pg->frame[id];
	struct segment *sg = &pg->segment[fr->segment];
	uint32_t units = order_units(fr->order);

	ASSERT(id != 0 && fr->page != 0 && fr->pins == 0);
	frame_set_flags(pg, id, 0, FRAME_COLD);
	if ((fr->flags & FRAME_AHEAD) && sg->state == SEGMENT_LIVE) {
		pg->stats.readahead_wasted++;
		stream_count_use(&sg->streams, 0, 1);
	}
	account_charge(pg, sg->account, -(int64_t)units);
	pg->free_units += units;
	*fr = (struct frame){ .next_free = pg->frame_free };
	pg->frame_free = id;
}

void frame_set_flags(struct pager *pg, frame_id id, uint8_t set,
		     uint8_t clear)
{
	struct frame *fr = &pg->frame[id];
	uint8_t next = (uint8_t)((fr->flags & ~clear) | set);

	pg->cold_count += (next & FRAME_COLD) != 0;
	pg->cold_count -= (fr->flags & FRAME_COLD) != 0;
	fr->flags = next;
}
