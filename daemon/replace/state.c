/* SPDX-License-Identifier: MIT */
#include "daemon/replace/state.h"

void frame_mark(struct replace *rp, frame_id id, uint8_t set, uint8_t clear)
{
	rp->flags[id] = (uint8_t)((rp->flags[id] & ~clear) | set);
}

void age_frame(struct replace *rp, frame_id id)
{
	uint8_t flags = rp->flags[id];

	if (!(flags & IS_USED) || !(flags & IS_REFERENCED))
		return;
	if (flags & IS_EXPECTED)
		frame_mark(rp, id, 0, IS_EXPECTED);
	else if (rp->owner->age(rp->owner_ctx, id))
		frame_mark(rp, id, 0, IS_REFERENCED);
}

bool is_victim(const struct replace *rp, frame_id id, bool is_spared)
{
	return (rp->flags[id] & IS_USED) &&
	       !(is_spared && (rp->flags[id] & IS_REFERENCED)) &&
	       rp->owner->may_go(rp->owner_ctx, id);
}
