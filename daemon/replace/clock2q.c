/* SPDX-License-Identifier: MIT */
#include "daemon/replace/clock2q.h"

#include "daemon/replace/behind.h"
#include "daemon/replace/queue.h"

enum {
	SMALL_PART = 10,	/* of the pool */
	SMALL_LEAST = 64,	/* but not of a pool that is hardly larger */
	EXPECTED_PART = 4,	/* of the pool, at most */
	WINDOW_PART = 2,	/* of the small queue: not aged yet */
	BEHIND_MOST = 3,	/* victims out of turn, one after another */
	AGE_STEPS = 2,		/* of each queue, at one look */
	REFUSALS = 8,		/* then look elsewhere for as long */
};

static struct queue *queue_of(struct replace *rp, frame_id id)
{
	return rp->flags[id] & IS_EXPECTED ? &rp->expected :
	       rp->flags[id] & IS_MAIN ? &rp->main : &rp->small;
}

/* To the end of the queue that the new flags tell. */
static void move(struct replace *rp, frame_id id, uint8_t set, uint8_t clear)
{
	queue_remove(rp, queue_of(rp, id), id);
	frame_mark(rp, id, set, clear);
	queue_push_tail(rp, queue_of(rp, id), id);
}

static void clock2q_add(struct replace *rp, frame_id id, bool is_ghost)
{
	frame_mark(rp, id, is_ghost ? IS_MAIN : 0, is_ghost ? 0 : IS_MAIN);
	queue_push_tail(rp, queue_of(rp, id), id);
}

static void clock2q_remove(struct replace *rp, frame_id id)
{
	queue_remove(rp, queue_of(rp, id), id);
}

/* It is the next to go. */
static void clock2q_cool(struct replace *rp, frame_id id)
{
	queue_remove(rp, queue_of(rp, id), id);
	frame_mark(rp, id, 0, IS_MAIN | IS_EXPECTED);
	queue_push_aged(rp, &rp->small, id);
}

static void clock2q_expect(struct replace *rp, frame_id id)
{
	move(rp, id, IS_EXPECTED, 0);
}

static void clock2q_touch(struct replace *rp, frame_id id)
{
	if (rp->flags[id] & IS_EXPECTED)
		move(rp, id, 0, IS_EXPECTED);
}

static void clock2q_pass(struct replace *rp, frame_id id)
{
	clock2q_touch(rp, id);
	if (!(rp->flags[id] & IS_MAIN))
		behind_add(rp, id);
}

/* ---- ageing */

static void age_up_to(struct replace *rp, struct queue *q, uint32_t aged)
{
	for (unsigned i = 0; i < AGE_STEPS && q->aged_count < aged; i++)
		age_frame(rp, queue_age_next(rp, q));
}

/* ---- looking */

static uint32_t small_target(const struct replace *rp)
{
	return MAX(MAX(rp->used_count / SMALL_PART,
		       MIN(rp->used_count / 2, (uint32_t)SMALL_LEAST)), 1u);
}

static frame_id look_behind(struct replace *rp)
{
	frame_id id;

	if (rp->behind_run == BEHIND_MOST)
		return 0;
	id = behind_take(rp);
	if (id == 0 || !is_victim(rp, id, false))
		return 0;
	rp->behind_run++;
	return id;
}

/* The frame at the head of the queue is a victim, is aged just now, or goes to
 * the main queue.  The owner may leave a victim where it is, so its place is at
 * the end then.  Nobody has come for what was read ahead long ago: it goes even
 * if it is referenced. */
static frame_id look_at_head(struct replace *rp, struct queue *q)
{
	frame_id id = q->head;

	if (id == 0)
		return 0;
	if (is_victim(rp, id, q != &rp->expected)) {
		move(rp, id, 0, IS_EXPECTED);
		return id;
	}
	if (q->edge == id && q != &rp->expected) {
		age_frame(rp, queue_age_next(rp, q));
		return 0;
	}
	rp->refusals += !is_victim(rp, id, false);
	move(rp, id, IS_MAIN, IS_BEHIND | IS_EXPECTED);
	return 0;
}

/* Frames that may not go must not hide the others: after some in the main
 * queue, the small one is looked at even if it is not full. */
static struct queue *next_queue(struct replace *rp, uint32_t target)
{
	bool is_elsewhere = rp->refusals / REFUSALS % 2 != 0;

	if (rp->expected.count > rp->used_count / EXPECTED_PART)
		return &rp->expected;
	if (rp->small.count != 0 &&
	    (rp->small.count >= target || is_elsewhere))
		return &rp->small;
	if (rp->main.count != 0)
		return &rp->main;
	return rp->small.count != 0 ? &rp->small : &rp->expected;
}

/* A frame that may go, referenced or not, by number: each comes once in a
 * round. */
static frame_id look_at_any(struct replace *rp)
{
	frame_id id = rp->back_hand;

	rp->back_hand = id >= rp->frame_top ? 1 : id + 1;
	return is_victim(rp, id, false) ? id : 0;
}

static frame_id clock2q_look(struct replace *rp, bool is_spared)
{
	uint32_t target = small_target(rp), window = target / WINDOW_PART;
	frame_id id = is_spared ? look_behind(rp) : look_at_any(rp);

	if (id != 0 || !is_spared)
		return id;
	age_up_to(rp, &rp->small, rp->small.count -
				  MIN(rp->small.count, window));
	age_up_to(rp, &rp->main, rp->main.count - rp->main.count / 4);
	id = look_at_head(rp, next_queue(rp, target));
	if (id != 0)
		rp->behind_run = rp->refusals = 0;
	return id;
}

const struct pool_policy clock2q = {
	.name = "clock2q",
	.add = clock2q_add,
	.remove = clock2q_remove,
	.expect = clock2q_expect,
	.touch = clock2q_touch,
	.cool = clock2q_cool,
	.pass = clock2q_pass,
	.look = clock2q_look,
};
