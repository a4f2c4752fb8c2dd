/* SPDX-License-Identifier: MIT */
#include "daemon/replace/behind.h"

enum { TRIES = 128 };

/* Frames that do not fit are forgotten: they go by age. */
static void push_far(struct behind *b, frame_id id)
{
	b->far[b->far_next] = id;
	b->far_next = (b->far_next + 1) % BEHIND_FAR;
	b->far_count = MIN(b->far_count + 1, (uint32_t)BEHIND_FAR);
}

static frame_id pop_far(struct behind *b)
{
	b->far_next = (b->far_next + BEHIND_FAR - 1) % BEHIND_FAR;
	b->far_count--;
	return b->far[b->far_next];
}

void behind_add(struct replace *rp, frame_id id)
{
	struct behind *b = &rp->behind;
	frame_id old = b->near[b->near_next];

	/* Its page may have left meanwhile.  Then this is a wrong guess about
	 * the next page in the frame, and no more. */
	if ((rp->flags[old] & (IS_USED | IS_MAIN | IS_BEHIND)) == IS_USED) {
		frame_mark(rp, old, IS_BEHIND, 0);
		push_far(b, old);
	}
	b->near[b->near_next] = id;
	b->near_next = (b->near_next + 1) % BEHIND_NEAR;
}

frame_id behind_take(struct replace *rp)
{
	for (unsigned i = 0; i < TRIES && rp->behind.far_count != 0; i++) {
		frame_id id = pop_far(&rp->behind);

		if (!(rp->flags[id] & IS_BEHIND))
			continue;
		frame_mark(rp, id, 0, IS_BEHIND);
		return id;
	}
	return 0;
}
