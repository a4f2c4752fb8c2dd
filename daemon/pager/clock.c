/* SPDX-License-Identifier: MIT */
/* Whom to evict: a two-handed clock over the frame table.
 *
 * The front hand ages: it takes the frame's reference bit away and asks the
 * clients to unmap the page.  Who still uses the page touches it again, which
 * is a minor fault at the client, reported to pager_touched(): referenced.
 * The back hand follows a quarter of the pool behind and evicts what has
 * stayed unreferenced.  (Two-handed clock: 4.3BSD and SVR4.)
 *
 * Frames of an account over its limit, and frames advised COLD, are found by
 * hands of their own with a second chance each. */
#include "daemon/pager/internal.h"

static frame_id next_frame(const struct pager *pg, frame_id id)
{
	return id >= pg->config.frame_count ? 1 : id + 1;
}

void clock_age_flush(struct pager *pg)
{
	if (pg->age_count != 0)
		pg->ops->age(pg->ctx, pg->age_segment, pg->age_first,
			     pg->age_count);
	pg->age_count = 0;
}

/* Runs of neighbours are told as one; downward too, as frames are given out
 * last in, first out. */
void clock_age(struct pager *pg, segment_id segment, uint64_t page)
{
	pg->stats.aged++;
	if (pg->age_count != 0 && pg->age_segment == segment &&
	    pg->age_first + pg->age_count == page) {
		pg->age_count++;
		return;
	}
	if (pg->age_count != 0 && pg->age_segment == segment &&
	    page + 1 == pg->age_first) {
		pg->age_first--;
		pg->age_count++;
		return;
	}
	clock_age_flush(pg);
	pg->age_segment = segment;
	pg->age_first = page;
	pg->age_count = 1;
}

/* What was read ahead is spared once: its reader may be about to come, and
 * would have to map each page of it again. */
static void age_frame(struct pager *pg, frame_id id)
{
	struct frame *fr = &pg->frame[id];

	if (fr->page == 0 || !(fr->flags & FRAME_REFERENCED) ||
	    fr->pins != 0 || pg->page[fr->page].state != PAGE_RESIDENT)
		return;
	if ((fr->flags & (FRAME_AHEAD | FRAME_SPARED)) == FRAME_AHEAD) {
		frame_set_flags(pg, id, FRAME_SPARED, 0);
		return;
	}
	frame_set_flags(pg, id, 0, FRAME_REFERENCED | FRAME_FRESH);
	clock_age(pg, fr->segment,
		  page_index(&pg->segment[fr->segment], fr->page));
}

static bool is_victim(const struct pager *pg, frame_id id)
{
	const struct frame *fr = &pg->frame[id];

	return fr->page != 0 && !(fr->flags & FRAME_REFERENCED) &&
	       evict_is_candidate(pg, fr->page);
}

/* The next frame to evict, or 0 when *budget steps found none. */
frame_id clock_next(struct pager *pg, uint32_t *budget)
{
	for (; *budget > 0; (*budget)--) {
		frame_id back = pg->back_hand;

		age_frame(pg, pg->front_hand);
		pg->front_hand = next_frame(pg, pg->front_hand);
		pg->back_hand = next_frame(pg, back);
		if (is_victim(pg, back))
			return back;
	}
	return 0;
}

frame_id clock_next_cold(struct pager *pg, uint32_t *budget)
{
	for (; *budget > 0 && pg->cold_count > 0; (*budget)--) {
		frame_id id = pg->cold_hand;

		pg->cold_hand = next_frame(pg, id);
		if ((pg->frame[id].flags & FRAME_COLD) && is_victim(pg, id))
			return id;
	}
	return 0;
}

frame_id clock_next_of(struct pager *pg, account_id account, uint32_t *budget)
{
	struct account *ac = &pg->account[account];

	for (; *budget > 0; (*budget)--) {
		frame_id id = ac->hand;
		const struct frame *fr = &pg->frame[id];

		ac->hand = next_frame(pg, id);
		if (fr->page == 0 ||
		    !account_contains(pg, account,
				      pg->segment[fr->segment].account))
			continue;
		if (is_victim(pg, id))
			return id;
		age_frame(pg, id);
	}
	return 0;
}
