/* SPDX-License-Identifier: MIT */
#include "daemon/replace/queue.h"

void queue_push_tail(struct replace *rp, struct queue *q, frame_id id)
{
	ASSERT(!(rp->flags[id] & IS_QUEUED));
	rp->link[id] = (struct frame_link){ .prev = q->tail };
	if (q->tail != 0)
		rp->link[q->tail].next = id;
	else
		q->head = id;
	q->tail = id;
	if (q->edge == 0)
		q->edge = id;
	q->count++;
	frame_mark(rp, id, IS_QUEUED, IS_AGED);
}

void queue_push_aged(struct replace *rp, struct queue *q, frame_id id)
{
	ASSERT(!(rp->flags[id] & IS_QUEUED));
	rp->link[id] = (struct frame_link){ .next = q->head };
	if (q->head != 0)
		rp->link[q->head].prev = id;
	else
		q->tail = id;
	q->head = id;
	q->count++;
	q->aged_count++;
	frame_mark(rp, id, IS_QUEUED | IS_AGED, 0);
}

void queue_remove(struct replace *rp, struct queue *q, frame_id id)
{
	struct frame_link link = rp->link[id];

	ASSERT(rp->flags[id] & IS_QUEUED);
	if (link.prev != 0)
		rp->link[link.prev].next = link.next;
	else
		q->head = link.next;
	if (link.next != 0)
		rp->link[link.next].prev = link.prev;
	else
		q->tail = link.prev;
	if (q->edge == id)
		q->edge = link.next;
	q->count--;
	q->aged_count -= (rp->flags[id] & IS_AGED) != 0;
	frame_mark(rp, id, 0, IS_QUEUED | IS_AGED);
}

frame_id queue_age_next(struct replace *rp, struct queue *q)
{
	frame_id id = q->edge;

	ASSERT(id != 0);
	q->edge = rp->link[id].next;
	q->aged_count++;
	frame_mark(rp, id, IS_AGED, 0);
	return id;
}

void queue_check(const struct replace *rp, const struct queue *q)
{
	uint32_t count = 0, aged = 0;
	frame_id before = 0;

	for (frame_id id = q->head; id != 0; id = rp->link[id].next) {
		ASSERT(rp->flags[id] & IS_QUEUED);			/* R3 */
		ASSERT(rp->flags[id] & IS_USED);
		ASSERT(rp->link[id].prev == before);
		ASSERT((id == q->edge) ==
		       (aged == count && !(rp->flags[id] & IS_AGED)));
		aged += (rp->flags[id] & IS_AGED) != 0;
		count++;
		before = id;
	}
	ASSERT(before == q->tail);
	ASSERT(count == q->count && aged == q->aged_count);
	ASSERT((q->edge == 0) == (aged == count));
}
