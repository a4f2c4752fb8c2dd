/* SPDX-License-Identifier: MIT */
#include "daemon/replace/state.h"

void frame_touch(struct replace *rp, frame_id id)
{
	struct frame_state *f = &rp->frame[id];

	if (rp->policy->touch != NULL)
		rp->policy->touch(rp, id);
	f->is_referenced = true;
	f->is_expected = false;
}

void age_frame(struct replace *rp, frame_id id)
{
	struct frame_state *f = &rp->frame[id];

	if (!f->is_used || !f->is_referenced)
		return;
	if (f->is_expected)
		frame_touch(rp, id);
	else if (rp->owner->age(rp->owner_ctx, id))
		f->is_referenced = false;
}

bool is_victim(const struct replace *rp, frame_id id, bool is_spared)
{
	const struct frame_state *f = &rp->frame[id];

	return f->is_used && !(is_spared && f->is_referenced) &&
	       rp->owner->may_go(rp->owner_ctx, id);
}

frame_id look_by_number(struct replace *rp, bool is_spared)
{
	frame_id id = rp->back_hand;

	rp->back_hand = id >= rp->frame_top ? 1 : id + 1;
	return is_victim(rp, id, is_spared) ? id : 0;
}
