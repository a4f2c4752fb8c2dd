/* SPDX-License-Identifier: MIT */
#include "daemon/replace/two_hands.h"

static frame_id next_frame(const struct replace *rp, frame_id id)
{
	return id >= rp->frame_top ? 1 : id + 1;
}

/* Where the front hand is when the back one is at `id`. */
static frame_id front_of(const struct replace *rp, frame_id id)
{
	uint64_t at = (uint64_t)id + MAX(rp->frame_top / 4, 1u);

	return (frame_id)(at > rp->frame_top ? at - rp->frame_top : at);
}

frame_id two_hands_look(struct replace *rp, bool is_spared)
{
	frame_id id = rp->back_hand;

	rp->back_hand = next_frame(rp, id);
	age_frame(rp, front_of(rp, id));
	return is_victim(rp, id, is_spared) ? id : 0;
}
