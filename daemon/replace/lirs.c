/* SPDX-License-Identifier: MIT */
#include "daemon/replace/lirs.h"

#include "daemon/replace/age_marks.h"
#include "daemon/replace/queue.h"

enum {
	SMALL_PART = 20,	/* of the pool */
	SMALL_LEAST = 64,	/* but not of a pool that is hardly larger */
	WINDOW_PART = 3,	/* of the small queue: not aged yet */
	EXPECTED_PART = 4,	/* of the pool, at most */
	AGED_PERCENT = 50,	/* of the main queue, at most */
	AGE_STEPS = 4,		/* of each queue, at one look */
	AGE_COST = 8,		/* what ageing a frame takes of the credit */
	CREDIT_PART = 16,	/* of the pool: so many frames at most */
	DECAY = 16,		/* see note_victim() */
	REFUSALS = 8,		/* then look elsewhere for as long */
};

/* ---- queues */

static struct queue *queue_of(struct replace *rp, frame_id id)
{
	return rp->frame[id].is_expected ? &rp->expected :
	       rp->frame[id].is_main ? &rp->main : &rp->small;
}

static void take_out(struct replace *rp, frame_id id)
{
	age_marks_remove(rp, id);
	queue_remove(rp, queue_of(rp, id), id);
}

/* To the end of a queue. */
static void move(struct replace *rp, frame_id id, bool is_expected,
		 bool is_main)
{
	take_out(rp, id);
	rp->frame[id].is_expected = is_expected;
	rp->frame[id].is_main = is_main;
	queue_push_tail(rp, queue_of(rp, id), id);
}

static uint32_t small_part_of(uint32_t count)
{
	return MAX(MAX(count / SMALL_PART,
		       MIN(count / 2, (uint32_t)SMALL_LEAST)), 1u);
}

static uint32_t main_most(const struct replace *rp)
{
	return rp->full_count - small_part_of(rp->full_count);
}

/* ---- what happens to frames */

/* How many pages have come in since the page at the main queue's head was used,
 * at least. */
static uint32_t age_of_oldest(const struct replace *rp)
{
	if (rp->main.count == 0)
		return UINT32_MAX;
	return rp->main.aged_count != 0 ? rp->now - age_marks_first(rp) : 0;
}

/* The main queue is not as large as it may be: the pool is being filled. */
static bool is_filling(const struct replace *rp)
{
	return rp->main.count < main_most(rp) &&
	       rp->main.count + small_part_of(rp->used_count) < rp->used_count;
}

static void lirs_add(struct replace *rp, frame_id id, uint32_t left)
{
	rp->now = MAX(rp->now + 1, 1u);
	rp->full_count = MAX(rp->full_count, rp->used_count);
	rp->age_credit = MIN(rp->age_credit + AGE_COST,
			     AGE_COST * (rp->used_count / CREDIT_PART + 1));
	rp->frame[id].is_main = is_filling(rp) ||
		(left != 0 && rp->now - left < age_of_oldest(rp));
	queue_push_tail(rp, queue_of(rp, id), id);
}

/* When it was used last: if it is at the head of the small queue, so many have
 * come behind it; if it was at the head of the main one, when it was aged. */
static uint32_t lirs_leave(const struct replace *rp, frame_id id)
{
	return rp->frame[id].is_main ? rp->main_left :
	       rp->now - MIN(rp->small.count, rp->now);
}

/* Nobody has waited for the page. */
static void lirs_expect(struct replace *rp, frame_id id)
{
	rp->age_credit -= MIN(rp->age_credit, AGE_COST - 1u);
	move(rp, id, true, rp->frame[id].is_main);
}

static void lirs_touch(struct replace *rp, frame_id id)
{
	if (rp->frame[id].is_expected || rp->frame[id].is_main)
		move(rp, id, false, rp->frame[id].is_main);
}

/* It is the next to go. */
static void lirs_cool(struct replace *rp, frame_id id)
{
	take_out(rp, id);
	rp->frame[id].is_expected = rp->frame[id].is_main = false;
	queue_push_aged(rp, &rp->small, id);
}

static void lirs_pass(struct replace *rp, frame_id id)
{
	if (rp->frame[id].is_expected)
		move(rp, id, false, rp->frame[id].is_main);
	rp->frame[id].is_passed = !rp->frame[id].is_main;
}

/* ---- ageing */

static void age_in_small(struct replace *rp)
{
	frame_id id = queue_age_next(rp, &rp->small);

	if (!rp->frame[id].is_passed)
		age_frame(rp, id);
}

static void age_in_main(struct replace *rp)
{
	frame_id id = queue_age_next(rp, &rp->main);

	age_marks_add(rp, id);
	age_frame(rp, id);
}

static void age_some(struct replace *rp)
{
	uint32_t window = small_part_of(rp->full_count) / WINDOW_PART;
	uint64_t aged = (uint64_t)rp->main.count * AGED_PERCENT / 100;

	for (unsigned i = 0; i < AGE_STEPS && rp->small.aged_count + window <
					      rp->small.count; i++)
		age_in_small(rp);
	for (unsigned i = 0; i < AGE_STEPS && rp->age_credit >= AGE_COST &&
			     rp->main.aged_count < aged; i++) {
		rp->age_credit -= AGE_COST;
		age_in_main(rp);
	}
}

/* ---- looking */

/* Frames that may not go must not hide the others: after some in one queue, the
 * other one is looked at for a while. */
static struct queue *next_queue(struct replace *rp)
{
	bool is_main = rp->main.count > main_most(rp);

	if (rp->expected.count > rp->used_count / EXPECTED_PART)
		return &rp->expected;
	if (rp->refusals / REFUSALS % 2 != 0)
		is_main = !is_main;
	if (rp->main.count != 0 && (is_main || rp->small.count == 0))
		return &rp->main;
	return rp->small.count != 0 ? &rp->small : &rp->expected;
}

/* The pool is as large as it was when it was last full; but it may become
 * smaller.  If it stays so, this follows slowly. */
static void note_victim(struct replace *rp)
{
	rp->refusals = 0;
	if (rp->used_count < rp->full_count && ++rp->decay % DECAY == 0)
		rp->full_count--;
}

/* The owner may leave a victim where it is, so its place is at the end of its
 * queue then. */
static frame_id look_at_main(struct replace *rp)
{
	frame_id id = rp->main.head;

	if (!rp->frame[id].is_aged) {
		age_in_main(rp);
		return 0;
	}
	rp->main_left = age_marks_first(rp);
	move(rp, id, false, true);
	if (is_victim(rp, id, true))
		return id;
	rp->refusals += !is_victim(rp, id, false);
	return 0;
}

static frame_id look_at_small(struct replace *rp)
{
	frame_id id = rp->small.head;
	bool is_passed = rp->frame[id].is_passed;

	if (!rp->frame[id].is_aged && !is_passed) {
		age_in_small(rp);
		return 0;
	}
	if (is_victim(rp, id, !is_passed)) {
		move(rp, id, false, false);
		return id;
	}
	rp->refusals += !is_victim(rp, id, false);
	rp->frame[id].is_passed = false;
	move(rp, id, false, true);
	return 0;
}

/* Nobody has come for what was read ahead long ago: it goes even if it is
 * referenced. */
static frame_id look_at_expected(struct replace *rp)
{
	frame_id id = rp->expected.head;

	move(rp, id, false, false);
	return is_victim(rp, id, false) ? id : 0;
}

static frame_id lirs_look(struct replace *rp, bool is_spared)
{
	const struct queue *q;
	frame_id id;

	if (!is_spared)
		return look_by_number(rp, false);
	if (rp->used_count == 0)
		return 0;
	age_some(rp);
	q = next_queue(rp);
	id = q == &rp->main ? look_at_main(rp) :
	     q == &rp->small ? look_at_small(rp) : look_at_expected(rp);
	if (id != 0)
		note_victim(rp);
	return id;
}

const struct pool_policy lirs = {
	.name = "lirs",
	.add = lirs_add,
	.leave = lirs_leave,
	.remove = take_out,
	.expect = lirs_expect,
	.touch = lirs_touch,
	.cool = lirs_cool,
	.pass = lirs_pass,
	.look = lirs_look,
};
