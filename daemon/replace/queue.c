/* SPDX-License-Identifier: MIT */
#include "daemon/replace/queue.h"

static void set_next(struct replace *rp, frame_id id, frame_id next)
{
	rp->frame[id].next = next & FRAMES_MAX;
}

static void set_prev(struct replace *rp, frame_id id, frame_id prev)
{
	rp->frame[id].prev = prev & FRAMES_MAX;
}

void queue_push_tail(struct replace *rp, struct queue *q, frame_id id)
{
	struct frame_state *f = &rp->frame[id];

	ASSERT(!f->is_queued);
	set_next(rp, id, 0);
	set_prev(rp, id, q->tail);
	if (q->tail != 0)
		set_next(rp, q->tail, id);
	else
		q->head = id;
	q->tail = id;
	if (q->edge == 0)
		q->edge = id;
	q->count++;
	f->is_queued = true;
	f->is_aged = false;
}

void queue_push_aged(struct replace *rp, struct queue *q, frame_id id)
{
	struct frame_state *f = &rp->frame[id];

	ASSERT(!f->is_queued);
	set_next(rp, id, q->head);
	set_prev(rp, id, 0);
	if (q->head != 0)
		set_prev(rp, q->head, id);
	else
		q->tail = id;
	q->head = id;
	q->count++;
	q->aged_count++;
	f->is_queued = true;
	f->is_aged = true;
}

void queue_remove(struct replace *rp, struct queue *q, frame_id id)
{
	struct frame_state *f = &rp->frame[id];

	ASSERT(f->is_queued);
	if (f->prev != 0)
		set_next(rp, f->prev, f->next);
	else
		q->head = f->next;
	if (f->next != 0)
		set_prev(rp, f->next, f->prev);
	else
		q->tail = f->prev;
	if (q->edge == id)
		q->edge = f->next;
	q->count--;
	q->aged_count -= f->is_aged;
	f->is_queued = false;
	f->is_aged = false;
}

frame_id queue_age_next(struct replace *rp, struct queue *q)
{
	frame_id id = q->edge;

	ASSERT(id != 0);
	q->edge = rp->frame[id].next;
	q->aged_count++;
	rp->frame[id].is_aged = true;
	rp->aged_count++;
	return id;
}

void queue_check(const struct replace *rp, const struct queue *q)
{
	uint32_t count = 0, aged = 0;
	frame_id before = 0;

	for (frame_id id = q->head; id != 0; id = rp->frame[id].next) {
		const struct frame_state *f = &rp->frame[id];

		ASSERT(f->is_queued && f->is_used);			/* R3 */
		ASSERT(f->prev == before);
		ASSERT((id == q->edge) == (aged == count && !f->is_aged));
		aged += f->is_aged;
		count++;
		before = id;
	}
	ASSERT(before == q->tail);
	ASSERT(count == q->count && aged == q->aged_count);
	ASSERT((q->edge == 0) == (aged == count));
}
