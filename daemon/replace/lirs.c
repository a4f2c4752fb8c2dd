/* SPDX-License-Identifier: MIT */
#include "daemon/replace/lirs.h"

#include "daemon/replace/age_marks.h"
#include "daemon/replace/queue.h"

enum {
	SMALL_PART = 20,	/* of the pool */
	SMALL_LEAST = 64,	/* but not of a pool that is hardly larger */
	WINDOW_PART = 3,	/* of the small queue: not aged yet */
	FILL_PART = 8,		/* of the pool, that may stay free */
	EXPECTED_PART = 2,	/* of the pool, at most */
	AGED_PERCENT = 50,	/* of the main queue, at most */
	AGE_STEPS = 64,		/* of each queue, at one look */
	/* What ageing a frame takes of the credit, what a touch of an aged one
	 * takes, and what a page that comes in gives, if somebody waits for it
	 * or not. */
	AGE_COST = 1,
	TOUCH_COST = 7,
	DEMAND_CREDIT = 7,
	AHEAD_CREDIT = 1,
	CREDIT_MOST = 2048,
	DEBT_MOST = 4096,
	GROWTH = 16,		/* see note_victim() */
	DECAY = 16,		/* pages in, until the peak is one less */
	RUN = 64,		/* frames that leave the main queue together */
	EXTRA_PART = 2,		/* of the pool: most that `small` gains */
	/* See move_share().  SHARE_ONE make one frame. */
	SHARE_ONE = 2,
	SHARE_EARLY = 4,
	SHARE_LATE = 1,
	REFUSALS = 8,		/* then look elsewhere for as long */
};

/* ---- queues */

static struct queue *queue_of(struct replace *rp, frame_id id)
{
	return rp->frame[id].is_expected ? &rp->expected :
	       rp->frame[id].is_main ? &rp->main : &rp->small;
}

/* A frame whose page is leaving is in none. */
static void take_out(struct replace *rp, frame_id id)
{
	if (!rp->frame[id].is_queued)
		return;
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
	rp->frame[id].is_passed &= !is_main;
	queue_push_tail(rp, queue_of(rp, id), id);
}

static uint32_t small_part_of(uint32_t count)
{
	return MAX(MAX(count / SMALL_PART,
		       MIN(count / 2, (uint32_t)SMALL_LEAST)), 1u);
}

/* Until the pool has been full, it is taken for as large as it was made. */
static uint32_t full_count(const struct replace *rp)
{
	return rp->full_count != 0 ? rp->full_count :
	       MAX(rp->config.frame_count / FILL_PART * (FILL_PART - 1), 1u);
}

static uint32_t small_most(const struct replace *rp)
{
	return small_part_of(full_count(rp)) + rp->small_extra / SHARE_ONE;
}

/* A page that came back early would have stayed in a larger small queue.  One
 * that came back late, or that is used in the main queue, would not have
 * gained. */
static void move_share(struct replace *rp, int32_t share)
{
	int32_t most = (int32_t)(MIN(full_count(rp), UINT32_C(1) << 28) *
				 SHARE_ONE / EXTRA_PART);

	rp->small_extra = (uint32_t)MIN(MAX((int32_t)rp->small_extra + share,
					    0), most);
}

/* Has the main queue room for pages that come in?  What was read ahead needs as
 * much as it had lately.  Room is filled when there is a lot of it, so that
 * neighbours stay together. */
static bool is_filling(struct replace *rp)
{
	uint32_t others = small_most(rp) + rp->expected_peak;
	uint32_t most = full_count(rp) - MIN(full_count(rp), others);

	if (rp->main.count + small_most(rp) / 2 < most)
		rp->is_filling = true;
	if (rp->main.count >= most)
		rp->is_filling = false;
	return rp->is_filling;
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

/* Neither what was saved nor what was spent counts for long. */
static void give_credit(struct replace *rp, int32_t credit)
{
	rp->age_credit = MIN(MAX(rp->age_credit + credit, -DEBT_MOST),
			     (int32_t)CREDIT_MOST);
}

static void lirs_add(struct replace *rp, frame_id id, uint32_t left)
{
	bool is_early;

	rp->now = MAX(rp->now + 1, 1u);
	if (rp->full_count != 0 && rp->full_count < rp->used_count &&
	    ++rp->growth % GROWTH == 0)
		rp->full_count++;
	if (rp->full_count < rp->used_count / 2)
		rp->full_count = 0;
	give_credit(rp, DEMAND_CREDIT);
	rp->expected_peak -= rp->expected_peak != 0 && rp->now % DECAY == 0;
	is_early = left != 0 && rp->now - left < age_of_oldest(rp);
	rp->frame[id].is_main = is_filling(rp) || is_early;
	if (left != 0 && !rp->is_filling)
		move_share(rp, is_early ? SHARE_EARLY : -SHARE_LATE);
	queue_push_tail(rp, queue_of(rp, id), id);
}

/* When it was used last: if it is at the head of the small queue, so many have
 * come behind it; if it was at the head of the main one, when it was aged.  Of
 * others of the main queue, which an account's limit may choose, this is not
 * known. */
static uint32_t lirs_leave(struct replace *rp, frame_id id)
{
	uint32_t left = !rp->frame[id].is_main ?
			rp->now - MIN(rp->small.count, rp->now) :
			id == rp->main_victim ? rp->main_left : 0;

	take_out(rp, id);
	return left;
}

static void lirs_stay(struct replace *rp, frame_id id)
{
	if (!rp->frame[id].is_queued)
		queue_push_tail(rp, queue_of(rp, id), id);
}

/* Nobody has waited for the page. */
static void lirs_expect(struct replace *rp, frame_id id)
{
	if (rp->frame[id].is_expected)
		return;
	give_credit(rp, AHEAD_CREDIT - DEMAND_CREDIT);
	move(rp, id, true, rp->frame[id].is_main);
	rp->expected_peak = MAX(rp->expected_peak, rp->expected.count);
}

static void touched_in_main(struct replace *rp)
{
	give_credit(rp, -TOUCH_COST);
	move_share(rp, -SHARE_LATE);
}

static void lirs_touch(struct replace *rp, frame_id id)
{
	if (rp->frame[id].is_aged && rp->frame[id].is_main)
		touched_in_main(rp);
	if (rp->frame[id].is_expected || rp->frame[id].is_main ||
	    !rp->frame[id].is_queued)
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
	uint32_t window = small_most(rp) / WINDOW_PART;
	uint64_t aged = (uint64_t)rp->main.count * AGED_PERCENT / 100;

	for (unsigned i = 0; i < AGE_STEPS && rp->small.aged_count + window <
					      rp->small.count; i++)
		age_in_small(rp);
	for (unsigned i = 0; i < AGE_STEPS && rp->age_credit > 0 &&
			     rp->main.aged_count < aged; i++) {
		give_credit(rp, -AGE_COST);
		age_in_main(rp);
	}
}

/* ---- looking */

/* Frames that may not go must not hide the others: after some in one queue, the
 * other one is looked at for a while.  NULL: all are empty. */
static struct queue *next_queue(struct replace *rp)
{
	bool is_main = rp->small.count < small_most(rp);

	if (rp->expected.count > full_count(rp) / EXPECTED_PART)
		return &rp->expected;
	if (rp->refusals / REFUSALS % 2 != 0)
		is_main = !is_main;
	if (rp->main.count != 0 && (is_main || rp->small.count == 0))
		return &rp->main;
	return rp->small.count != 0 ? &rp->small :
	       rp->expected.count != 0 ? &rp->expected : NULL;
}

/* The queues share as many frames as are left when the owner has evicted what
 * it needs; otherwise each time it would empty the small queue.  If more are
 * left later, this follows slowly. */
static void note_victim(struct replace *rp)
{
	rp->refusals = 0;
	if (rp->full_count == 0 || rp->used_count < rp->full_count)
		rp->full_count = rp->used_count;
}

/* As many as must go, so that they can go together. */
static void age_main_run(struct replace *rp)
{
	uint32_t small = small_most(rp);
	uint32_t count = small - MIN(small - 1, rp->small.count);

	for (uint32_t i = 0; i < MIN(count, (uint32_t)RUN) &&
			     rp->main.aged_count < rp->main.count; i++)
		age_in_main(rp);
}

/* The owner may leave a victim where it is, so its place is at the end of its
 * queue then. */
static frame_id look_at_main(struct replace *rp)
{
	frame_id id = rp->main.head;

	if (!rp->frame[id].is_aged) {
		age_main_run(rp);
		return 0;
	}
	rp->main_victim = id;
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
	age_some(rp);
	q = next_queue(rp);
	if (q == NULL)
		return 0;
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
	.stay = lirs_stay,
	.remove = take_out,
	.expect = lirs_expect,
	.touch = lirs_touch,
	.cool = lirs_cool,
	.pass = lirs_pass,
	.look = lirs_look,
};
