/* SPDX-License-Identifier: MIT */
#include "daemon/replace/state.h"

void frame_mark(struct replace *rp, frame_id id, uint8_t set, uint8_t clear)
{
	rp->flags[id] = (uint8_t)((rp->flags[id] & ~clear) | set);
}

void frame_touch(struct replace *rp, frame_id id)
{
	if (rp->policy->touch != NULL)
		rp->policy->touch(rp, id);
	frame_mark(rp, id, IS_REFERENCED, IS_EXPECTED | IS_BEHIND);
}

void age_frame(struct replace *rp, frame_id id)
{
	uint8_t flags = rp->flags[id];

	if (!(flags & IS_USED) || !(flags & IS_REFERENCED))
		return;
	if (flags & IS_EXPECTED)
		frame_touch(rp, id);
	else if (rp->owner->age(rp->owner_ctx, id))
		frame_mark(rp, id, 0, IS_REFERENCED);
}

bool is_victim(const struct replace *rp, frame_id id, bool is_spared)
{
	return (rp->flags[id] & IS_USED) &&
	       !(is_spared && (rp->flags[id] & IS_REFERENCED)) &&
	       rp->owner->may_go(rp->owner_ctx, id);
}
