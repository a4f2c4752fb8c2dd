/* SPDX-License-Identifier: MIT */
#include "daemon/pager/victims.h"

#include "daemon/pager/page.h"

void victims_age_flush(struct pager *pg)
{
	if (pg->age_count != 0)
		pg->up->age(pg->up_ctx, pg->age_segment, pg->age_first,
			     pg->age_count);
	pg->age_count = 0;
}

/* Runs of neighbours are told as one; downward too, as frames are given out
 * last in, first out. */
void victims_age(struct pager *pg, segment_id segment, uint64_t page)
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
	victims_age_flush(pg);
	pg->age_segment = segment;
	pg->age_first = page;
	pg->age_count = 1;
}

bool victim_may_go(const struct pager *pg, page_id id)
{
	const struct page *p = &pg->page[id];
	const struct frame *fr = &pg->frame[page_frame(p)];
	const struct pager_segment *sg = &pg->segment[fr->segment];

	return p->state == PAGE_RESIDENT &&
	       !(p->flags & (PAGE_WRITING | PAGE_LEAVING)) && fr->pins == 0 &&
	       sg->state == SEGMENT_LIVE && !sg->is_stuck &&
	       pg->account[sg->account].bar == 0;
}

static bool age_page_in(void *ctx, frame_id frame)
{
	struct pager *pg = ctx;
	struct frame *fr = &pg->frame[frame];

	if (fr->pins != 0 || pg->page[fr->page].state != PAGE_RESIDENT)
		return false;
	fr->flags &= (uint8_t)~FRAME_FRESH;
	victims_age(pg, fr->segment,
		    page_index(&pg->segment[fr->segment], fr->page));
	return true;
}

static bool page_in_may_go(void *ctx, frame_id frame)
{
	const struct pager *pg = ctx;

	return victim_may_go(pg, pg->frame[frame].page);
}

const struct replace_owner victims_owner = {
	.age = age_page_in,
	.may_go = page_in_may_go,
};
