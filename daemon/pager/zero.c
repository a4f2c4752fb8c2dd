/* SPDX-License-Identifier: MIT */
#include "daemon/pager/zero.h"

#include "daemon/pager/frame.h"
#include "daemon/pager/page.h"

enum { ZERO_UNITS_MAX = 512 };	/* units filled in one call: about 0.5 ms */

void zero_cut(const struct pager *pg, struct intake *in)
{
	const struct pager_segment *sg = &pg->segment[in->segment];
	uint32_t most = MAX((uint32_t)ZERO_UNITS_MAX >> sg->order, 1u);
	uint32_t count = 1;

	most = frame_room(pg, sg, in->has_waiter, MIN(in->count, most));
	for (; count < most; count++) {
		uint64_t page = intake_page(in, count);

		if (page >= sg->page_count ||
		    page_state_at(pg, sg, page) != PAGE_ZERO)
			break;
	}
	in->count = count;
}

/* Give each page a frame.  Only the first page of an intake may lack a frame:
 * zero_cut() has left others only if there is room for them. */
static bool give_frames(struct pager *pg, const struct intake *in,
			account_id *ret_account)
{
	struct pager_segment *sg = &pg->segment[in->segment];

	for (uint32_t i = 0; i < in->count; i++) {
		page_id id = (page_id)(sg->first + intake_page(in, i));
		frame_id frame = frame_get(pg, in->segment, id, ret_account);

		ASSERT(frame != 0 || in->count == 1);
		if (frame == 0)
			return false;
		pg->page[id].frame = frame;
		page_enter(pg, sg, id, PAGE_RESIDENT);
	}
	return true;
}

static void note_filled(struct pager *pg, const struct intake *in)
{
	const struct pager_segment *sg = &pg->segment[in->segment];

	for (uint32_t i = 0; i < in->count; i++) {
		page_id id = (page_id)(sg->first + intake_page(in, i));
		bool is_ahead = intake_is_ahead(in, i);

		frame_note_intake(pg, pg->page[id].frame, is_ahead);
		pg->stats.readahead_pages += is_ahead;
	}
}

bool zero_fill(struct pager *pg, const struct intake *in,
	       account_id *ret_account)
{
	struct pager_segment *sg = &pg->segment[in->segment];
	uint64_t low = intake_page(in, in->step < 0 ? in->count - 1 : 0);

	if (!give_frames(pg, in, ret_account))
		return false;
	if (pg->ops->install(pg->ctx, in->segment, low << sg->order,
			     (uint64_t)in->count << sg->order, NULL) == 0) {
		note_filled(pg, in);
		return true;
	}
	for (uint64_t page = low; page < low + in->count; page++)
		pg->page[sg->first + page].flags |= PAGE_PARTIAL;
	*ret_account = 0;
	pg->stats.install_retries++;
	return false;
}
