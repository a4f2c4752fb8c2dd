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

/* Room for `pages` more pages of the segment without touching the last quarter
 * of the low watermark: what readahead may take.  (All of the watermark would
 * be too much: under load the pool is below it half of the time.) */
bool frame_has_room(const struct pager *pg, const struct segment *sg,
		    uint32_t pages)
{
	uint64_t units = (uint64_t)pages << sg->order;

	return pg->free_units >= units + pg->config.low_watermark / 4 &&
	       account_in_the_way(pg, sg->account, units) == 0;
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
	uint32_t units = order_units(fr->order);

	ASSERT(id != 0 && fr->page != 0 && fr->pins == 0);
	frame_set_flags(pg, id, 0, FRAME_COLD);
	account_charge(pg, pg->segment[fr->segment].account, -(int64_t)units);
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
