/* SPDX-License-Identifier: MIT */
#include "daemon/replace/two_hands.h"

#include "daemon/replace/queue.h"

/* Where the front hand is when the back one is at `id`. */
static frame_id front_of(const struct replace *rp, frame_id id)
{
	uint64_t at = (uint64_t)id + MAX(rp->frame_top / 4, 1u);

	return (frame_id)(at > rp->frame_top ? at - rp->frame_top : at);
}

static void warm(struct replace *rp, frame_id id)
{
	if (rp->frame[id].is_queued)
		queue_remove(rp, &rp->cold, id);
}

static void cool_down(struct replace *rp, frame_id id)
{
	if (!rp->frame[id].is_queued)
		queue_push_tail(rp, &rp->cold, id);
}

static frame_id look_round(struct replace *rp, bool is_spared)
{
	frame_id id = rp->cold.head;

	if (id != 0) {
		warm(rp, id);
		return is_victim(rp, id, true) ? id : 0;
	}
	age_frame(rp, front_of(rp, rp->back_hand));
	return look_by_number(rp, is_spared);
}

const struct pool_policy two_hands = {
	.name = "two-hands",
	.remove = warm,
	.touch = warm,
	.cool = cool_down,
	.look = look_round,
};
