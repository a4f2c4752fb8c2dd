/* SPDX-License-Identifier: MIT */
/* Which page is evicted next: a two-handed clock over the frames that have been
 * in use.
 *
 * The front hand ages: it takes the frame's reference bit away and asks the
 * clients to unmap the page.  Who still uses the page touches it again, which
 * is a minor fault at the client, reported to pager_touched(): referenced.
 * The back hand follows a quarter of the pool behind and evicts what has
 * stayed unreferenced.  (Two-handed clock: 4.3BSD and SVR4.)
 *
 * An account over its limit has a hand of its own, which goes round its own
 * frames only, with a second chance for each; frames advised COLD stand in a
 * line.  A search looks at no more frames in a turn than its share, and goes on
 * in the next one: what it costs others does not grow with the pool, nor with
 * what one account has. */
#include "daemon/pager/clock.h"

#include "daemon/pager/account.h"
#include "daemon/pager/frame.h"

static frame_id next_frame(const struct pager *pg, frame_id id)
{
	return id >= pg->frame_top ? 1 : id + 1;
}

/* Where the front hand is when the back one is at `id`. */
static frame_id front_of(const struct pager *pg, frame_id id)
{
	uint64_t at = (uint64_t)id + MAX(pg->frame_top / 4, 1u);

	return (frame_id)(at > pg->frame_top ? at - pg->frame_top : at);
}

void clock_age_flush(struct pager *pg)
{
	if (pg->age_count != 0)
		pg->up->age(pg->up_ctx, pg->age_segment, pg->age_first,
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

bool clock_is_candidate(const struct pager *pg, page_id id)
{
	const struct page *p = &pg->page[id];
	const struct frame *fr = &pg->frame[p->frame];
	const struct pager_segment *sg = &pg->segment[fr->segment];

	return p->state == PAGE_RESIDENT &&
	       !(p->flags & (PAGE_WRITING | PAGE_LEAVING)) && fr->pins == 0 &&
	       sg->state == SEGMENT_LIVE && !sg->is_stuck &&
	       pg->account[sg->account].bar == 0;
}

static bool is_victim(const struct pager *pg, frame_id id, bool is_spared)
{
	const struct frame *fr = &pg->frame[id];

	return fr->page != 0 &&
	       !(is_spared && (fr->flags & FRAME_REFERENCED)) &&
	       clock_is_candidate(pg, fr->page);
}

/* A hand's next look at the pool, or at the frames of `account`.  is_spared:
 * what is referenced stays.  A victim, or 0. */
static frame_id clock_look(struct pager *pg, account_id account,
			   bool is_spared)
{
	frame_id id;

	if (account == 0) {
		id = pg->back_hand;
		pg->back_hand = next_frame(pg, id);
		age_frame(pg, front_of(pg, id));
		return is_victim(pg, id, is_spared) ? id : 0;
	}
	id = account_next_frame(pg, account);
	if (id == 0 || is_victim(pg, id, is_spared))
		return id;
	age_frame(pg, id);
	return 0;
}

/* One that was advised COLD and is so still. */
static frame_id next_cold(struct pager *pg, struct clock_search *search)
{
	while (search->looks_left > 0) {
		frame_id id = frame_line_take(pg, &pg->cold_line);

		if (id == 0)
			return 0;
		search->looks_left--;
		pg->stats.frames_examined++;
		if ((pg->frame[id].flags & FRAME_COLD) &&
		    is_victim(pg, id, true))
			return id;
	}
	return 0;
}

/* Two rounds may do no more than spare and age everything.  The third one takes
 * what is referenced, too: a search may take many turns, and clients that use
 * all of their pages again meanwhile must not let it end in vain.  After three
 * rounds there is none. */
frame_id clock_next(struct pager *pg, account_id account,
		    struct clock_search *search)
{
	struct pager_account *ac = &pg->account[account];
	uint64_t *vain = account != 0 ? &ac->vain_looks : &pg->vain_looks;
	uint64_t round = account != 0 ? ac->frame_count : pg->frame_top;
	frame_id id = account == 0 ? next_cold(pg, search) : 0;

	while (id == 0 && *vain < 3 * round) {
		if (search->looks_left == 0) {
			search->is_cut_short = true;
			return 0;
		}
		search->looks_left--;
		pg->stats.frames_examined++;
		++*vain;
		id = clock_look(pg, account, *vain <= 2 * round);
	}
	*vain = 0;
	search->is_vain |= id == 0;
	return id;
}
