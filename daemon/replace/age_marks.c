/* SPDX-License-Identifier: MIT */
#include "daemon/replace/age_marks.h"

#include <string.h>

enum { FINEST_PART = 128 };	/* of the pool, between two new marks */

static void drop_mark(struct age_marks *m, uint32_t i)
{
	m->count--;
	memmove(&m->mark[i], &m->mark[i + 1],
		(m->count - i) * sizeof(m->mark[0]));
}

/* Every second one goes: the older the marks, the fewer they are. */
static void thin_out(struct replace *rp)
{
	struct age_marks *m = &rp->marks;

	for (uint32_t i = 1; i < m->count; i++) {
		rp->frame[m->mark[i].frame].is_marked = false;
		drop_mark(m, i);
	}
}

void age_marks_add(struct replace *rp, frame_id id)
{
	struct age_marks *m = &rp->marks;
	uint32_t step = rp->used_count / FINEST_PART;

	if (m->count != 0 && rp->now - m->mark[m->count - 1].time < step)
		return;
	if (m->count == AGE_MARKS)
		thin_out(rp);
	m->mark[m->count++] = (struct age_mark){ id, rp->now };
	rp->frame[id].is_marked = true;
}

void age_marks_remove(struct replace *rp, frame_id id)
{
	struct age_marks *m = &rp->marks;
	frame_id next = rp->frame[id].next;
	uint32_t i = 0;

	if (!rp->frame[id].is_marked)
		return;
	rp->frame[id].is_marked = false;
	while (m->mark[i].frame != id)
		i++;
	/* The next one was aged after it, and before the next mark. */
	if (next != 0 && rp->frame[next].is_aged &&
	    !rp->frame[next].is_marked) {
		m->mark[i].frame = next;
		rp->frame[next].is_marked = true;
	} else {
		drop_mark(m, i);
	}
}

uint32_t age_marks_first(const struct replace *rp)
{
	ASSERT(rp->marks.count != 0);
	return rp->marks.mark[0].time;
}

void age_marks_check(const struct replace *rp)
{
	const struct age_marks *m = &rp->marks;
	uint32_t i = 0;

	ASSERT((m->count != 0) == (rp->main.aged_count != 0));		/* M1 */
	ASSERT(m->count == 0 || m->mark[0].frame == rp->main.head);
	for (frame_id id = rp->main.head; id != 0; id = rp->frame[id].next) {
		if (!rp->frame[id].is_marked)
			continue;
		ASSERT(rp->frame[id].is_aged && i < m->count);
		ASSERT(m->mark[i].frame == id);				/* M2 */
		ASSERT(i == 0 || rp->now - m->mark[i].time <=
				 rp->now - m->mark[i - 1].time);
		i++;
	}
	ASSERT(i == m->count);
}
