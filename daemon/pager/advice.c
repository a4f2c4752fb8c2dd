/* SPDX-License-Identifier: MIT */
/* Advice: what a client asks to be done to a range.
 *
 * An advice walks its range page by page (advice_act.c) and parks where a page
 * is busy or a frame, staging or a batch is missing; the end of any I/O wakes
 * it.
 *
 *                        no frame
 *   FREE ──────▶ ACTING ◀────────▶ WANTING
 *    ▲            │   │               │
 *    ├────────────┘   │ range walked  │ there will be none
 *    │                ▼               │
 *    └───────────── ENDING ◀──────────┘
 *
 * ENDING is the second walk of those that need one: PAGEOUT waits until all
 * that it has started has ended; UNPIN, which has seen that all are pinned,
 * takes the pins off (between the two only more pins can come); a PIN that
 * cannot be takes those off again that it has set.
 *
 *   D1  ACTING: [first, cursor) is done.  ENDING: the same of the second walk.
 *   D2  Only a PIN is WANTING, and it is until its next step.
 *   D3  Every PIN reserves its whole range, at most half of the pool (or an
 *       eighth more, which reserved segments have for themselves) and half of
 *       each limited account, before it touches a page; with pins counted per
 *       page,
 *
 *   sum over frames of pins * units
 *       == pinned_units - what PINs under way have reserved but not reached
 *                       - what UNPINs under way have taken off
 *
 *   D4  charged_units are given back exactly when it becomes FREE, unless the
 *       segment has gone with all its pins. */
#include "daemon/pager/advice.h"

#include "daemon/pager/account.h"
#include "daemon/pager/advice_act.h"
#include "daemon/pager/clock.h"
#include "daemon/pager/page.h"
#include <errno.h>

static const uint8_t advice_may_enter[ADVICE_STATES] = {
	[ADVICE_FREE] = BIT(ADVICE_ACTING),
	[ADVICE_ACTING] = BIT(ADVICE_WANTING) | BIT(ADVICE_ENDING) |
			  BIT(ADVICE_FREE),
	[ADVICE_WANTING] = BIT(ADVICE_ACTING) | BIT(ADVICE_ENDING) |
			   BIT(ADVICE_FREE),
	[ADVICE_ENDING] = BIT(ADVICE_FREE),
};

static void advice_enter(struct pager *pg, struct advice *ad,
			 enum advice_state next)
{
	bool is_other = !pg->segment[ad->segment].is_reserved;

	ASSERT(advice_may_enter[ad->state] & BIT(next));
	if (ad->state == ADVICE_FREE) {
		pg->advice_count++;
		pg->advice_others += is_other;
	}
	ad->state = (uint8_t)next;
	if (next == ADVICE_FREE) {
		pg->advice_count--;
		pg->advice_others -= is_other;
		*ad = (struct advice){ 0 };
	}
}

/* ---- pins */

/* Reserve (or with a negative number give back) pins. */
static void pin_charge(struct pager *pg, segment_id segment, int64_t units)
{
	struct pager_segment *sg = &pg->segment[segment];

	sg->pinned_units += (uint64_t)units;
	pg->pinned_units += (uint64_t)units;
	if (sg->is_reserved)
		pg->reserved_pinned_units += (uint64_t)units;
	for (account_id id = sg->account; id != 0; id = pg->account[id].parent)
		pg->account[id].pinned_units += (uint64_t)units;
}

static bool pin_has_room(const struct pager *pg, const struct pager_segment *sg,
			 uint64_t units)
{
	uint64_t reserved = pg->reserved_pinned_units;

	if (sg->is_reserved ?
	    reserved + units > pg->config.frame_count / 8 :
	    pg->pinned_units - reserved + units > pg->config.frame_count / 2)
		return false;
	for (account_id id = sg->account; id != 0;
	     id = pg->account[id].parent) {
		const struct pager_account *ac = &pg->account[id];

		if (ac->limit_frames != 0 &&
		    ac->pinned_units + units > account_effective_limit(
					ac, order_units(sg->order)) / 2)
			return false;
	}
	return true;
}

/* Is another at the pins of these pages?  Then its pins are nobody else's: a
 * PIN may have to take them off again, an UNPIN has counted on them. */
static bool is_being_pinned(const struct pager *pg, const struct advice *ad)
{
	for (unsigned i = 0; i < ADVICE_MAX && pg->advice_count != 0; i++) {
		const struct advice *other = &pg->advice[i];

		if (other->state != ADVICE_FREE &&
		    (other->kind == PAGER_PIN || other->kind == PAGER_UNPIN) &&
		    other->segment == ad->segment && other->first < ad->end &&
		    ad->first < other->end)
			return true;
	}
	return false;
}

/* ---- walking */

static void advice_end(struct pager *pg, struct advice *ad, int result)
{
	const struct advice done = *ad;

	if (ad->charged_units != 0) {
		pin_charge(pg, ad->segment, -(int64_t)ad->charged_units);
		pg->futile_units = 0;
	}
	clock_age_flush(pg);
	advice_enter(pg, ad, ADVICE_FREE);
	if (!done.is_answered)
		pg->up->done(pg->up_ctx, done.cookie, result, done.count);
}

/* The second walk: over [first, end). */
static void enter_ending(struct pager *pg, struct advice *ad, uint64_t end)
{
	advice_enter(pg, ad, ADVICE_ENDING);
	if (ad->kind == PAGER_PIN || ad->kind == PAGER_UNPIN)
		ad->charged_units = (ad->end - ad->first)
				    << pg->segment[ad->segment].order;
	ad->end = end;
	ad->cursor = ad->first;
}

/* The PIN cannot be: take the pins that it has set off again, turn by turn,
 * and give back all that it has reserved. */
static void pin_undo(struct pager *pg, struct advice *ad, int error)
{
	enter_ending(pg, ad, ad->cursor);
	ad->result = error;
	ad->count = 0;
}

/* It has walked its range.  Returns true when that was all. */
static bool advice_has_ended(struct pager *pg, struct advice *ad)
{
	if (ad->state == ADVICE_ENDING || ad->kind == PAGER_PIN ||
	    advice_acts[ad->kind].end == NULL)
		return true;
	enter_ending(pg, ad, ad->end);
	return false;
}

/* Work done at once, by all advice together: some 30 us.  It is counted in
 * pages passed over; to capture, discard, fill or read a unit costs as much as
 * some of these, and 8 chunks of untouched pages as much as one. */
enum {
	WORK_PER_UNIT = 8,
	/* To capture one costs less in long runs; but while somebody faults,
	 * he would wait for all of a run. */
	WORK_PER_CAPTURE = 32,
	WORK_PER_QUIET_CAPTURE = 4,
	CHUNKS_PER_WORK = 8,
	/* At once, of one that asks for 256 pages at a time, and copies them:
	 * see pager_segment_reserve(). */
	ADVICE_WORK_RESERVED = 256 * (WORK_PER_UNIT + 1) + 64,
};

#define ADVICE_QUIET_NS	UINT64_C(10000000)

static void spend(uint32_t *work, uint64_t cost)
{
	*work -= (uint32_t)MIN((uint64_t)*work, cost);
}

/* Has anybody faulted of late? */
static bool has_faults(const struct pager *pg)
{
	return pg->now_ns - pg->fault_ns < ADVICE_QUIET_NS;
}

static uint32_t unit_price(const struct pager *pg, const struct advice *ad)
{
	if (ad->kind != PAGER_PAGEOUT)
		return WORK_PER_UNIT;
	return has_faults(pg) ? WORK_PER_CAPTURE : WORK_PER_QUIET_CAPTURE;
}

/* Go past pages that were never touched, where there is nothing to do. */
static void skip_untouched(struct pager *pg, struct advice *ad, uint32_t *work)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];
	uint64_t from = ad->cursor;

	if (ad->kind == PAGER_PIN || ad->kind == PAGER_UNPIN)
		return;
	ad->cursor = MIN(page_next_used(pg, sg, from, *work * CHUNKS_PER_WORK),
			 ad->end);
	spend(work, (ad->cursor - from) / PAGES_PER_CHUNK / CHUNKS_PER_WORK);
}

static advice_act *act_of(const struct advice *ad)
{
	const struct advice_acts *acts = &advice_acts[ad->kind];

	return ad->state == ADVICE_ENDING ? acts->end : acts->act;
}

/* Returns true when it can go on at once. */
static bool advice_step(struct pager *pg, struct advice *ad, uint32_t *work)
{
	uint32_t price = unit_price(pg, ad);

	while (*work > 0) {
		struct advice_turn turn = {
			.pages = 1,
			.most_units = *work / price,
		};
		enum advice_step step;

		skip_untouched(pg, ad, work);
		if (*work == 0)
			break;
		if (ad->cursor == ad->end) {
			spend(work, 1);
			if (!advice_has_ended(pg, ad))
				continue;
			advice_end(pg, ad, ad->result);
			return false;
		}
		if (ad->state == ADVICE_WANTING)
			advice_enter(pg, ad, ADVICE_ACTING);
		step = act_of(ad)(pg, ad, &turn);
		spend(work, turn.pages + turn.units * price);
		if (step == STEP_WANT)
			advice_enter(pg, ad, ADVICE_WANTING);
		if (step == STEP_WANT || step == STEP_PARK)
			return false;
		if (turn.result != 0)
			ad->result = turn.result;
		if (step == STEP_NEXT) {
			ad->cursor += turn.pages;
		} else if (ad->kind == PAGER_PIN) {
			pin_undo(pg, ad, ad->result);
		} else {
			advice_end(pg, ad, ad->result);
			return false;
		}
	}
	clock_age_flush(pg);
	return true;
}

void advice_begin_turn(struct pager *pg)
{
	pg->advice_work = ADVICE_WORK_PER_TURN;
}

bool advice_step_all(struct pager *pg)
{
	uint32_t left = pg->advice_count;
	unsigned start = pg->advice_next % ADVICE_MAX;
	bool can_go_on = false;

	for (unsigned n = 0; n < ADVICE_MAX && left > 0; n++) {
		struct advice *ad = &pg->advice[(start + n) % ADVICE_MAX];

		if (ad->state == ADVICE_FREE)
			continue;
		if (pg->advice_work == 0) {	/* the next begins with it */
			pg->advice_next = (start + n) % ADVICE_MAX;
			return true;
		}
		left--;
		can_go_on |= advice_step(pg, ad, &pg->advice_work);
	}
	return can_go_on;
}

bool advice_fail_wanting(struct pager *pg)
{
	bool are_any = false;

	for (unsigned i = 0; i < ADVICE_MAX; i++) {
		if (pg->advice[i].state != ADVICE_WANTING)
			continue;
		pin_undo(pg, &pg->advice[i], -ENOMEM);
		are_any = true;
	}
	return are_any;
}

void advice_end_segment(struct pager *pg, segment_id segment)
{
	uint32_t left = pg->advice_count;

	for (unsigned i = 0; left > 0 && i < ADVICE_MAX; i++) {
		struct advice *ad = &pg->advice[i];

		left -= ad->state != ADVICE_FREE;
		if (ad->state == ADVICE_FREE || ad->segment != segment)
			continue;
		/* Its pins have all been given back already. */
		ad->charged_units = 0;
		advice_end(pg, ad, -EFAULT);
	}
}

/* ---- coming in */

/* WILLNEED is answered before it is done; so it must leave room for those who
 * wait. */
enum { WILLNEED_MAX = ADVICE_MAX / 4 };

static unsigned willneed_count(const struct pager *pg)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ADVICE_MAX; i++)
		count += pg->advice[i].state != ADVICE_FREE &&
			 pg->advice[i].kind == PAGER_WILLNEED;
	return count;
}

static struct advice *find_free(struct pager *pg, bool is_reserved)
{
	if (!is_reserved &&
	    pg->advice_others >= ADVICE_MAX - PAGER_ADVICE_RESERVED)
		return NULL;
	for (unsigned i = 0; i < ADVICE_MAX; i++)
		if (pg->advice[i].state == ADVICE_FREE)
			return &pg->advice[i];
	return NULL;
}

/* Advice that is over at once.  Returns false when it is of the other kind. */
static bool advise_now(struct pager *pg, const struct advice *ad)
{
	struct pager_segment *sg = &pg->segment[ad->segment];

	switch (ad->kind) {
	case PAGER_NORMAL:
		sg->mode = STREAM_NORMAL;
		break;
	case PAGER_SEQUENTIAL:
		sg->mode = STREAM_SEQUENTIAL;
		break;
	case PAGER_RANDOM:
		sg->mode = STREAM_RANDOM;
		break;
	default:
		return false;
	}
	pg->up->done(pg->up_ctx, ad->cookie, 0, ad->end - ad->first);
	return true;
}

/* 0; or why it is refused at once. */
static int advice_check(const struct pager *pg, const struct advice *ad)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];
	uint64_t units = (ad->end - ad->first) << sg->order;

	if (ad->kind == PAGER_PIN && !pin_has_room(pg, sg, units))
		return -ENOMEM;
	if (ad->kind != PAGER_UNPIN)
		return 0;
	if (is_being_pinned(pg, ad))
		return -EBUSY;
	return units > sg->pinned_units ? -EINVAL : 0;
}

void pager_advise(struct pager *pg, segment_id segment, uint64_t first,
		  uint64_t count, enum pager_advice advice, uint64_t cookie,
		  uint64_t now_ns)
{
	const struct pager_segment *sg = &pg->segment[segment];
	struct advice ad = {
		.kind = (uint8_t)advice,
		.segment = segment,
		.first = first,
		.end = first + count,
		.cursor = first,
		.cookie = cookie,
	};
	uint32_t work = sg->is_reserved ? ADVICE_WORK_RESERVED :
					  ADVICE_WORK_PER_TURN;
	struct advice *slot;
	int err;

	pg->now_ns = now_ns;
	if (segment == 0 || segment > pg->config.segments_max ||
	    sg->state != SEGMENT_LIVE) {
		pg->up->done(pg->up_ctx, cookie, -EFAULT, 0);
		return;
	}
	if (count == 0 || first >= sg->page_count ||
	    count > sg->page_count - first) {
		pg->up->done(pg->up_ctx, cookie, -EINVAL, 0);
		return;
	}
	if (advise_now(pg, &ad))
		return;
	err = advice_check(pg, &ad);
	if (err != 0) {
		pg->up->done(pg->up_ctx, cookie, err, 0);
		return;
	}
	if (advice == PAGER_WILLNEED && willneed_count(pg) >= WILLNEED_MAX) {
		pg->up->done(pg->up_ctx, cookie, 0, 0);	/* only advice */
		return;
	}
	slot = find_free(pg, sg->is_reserved);
	if (slot == NULL) {
		pg->up->done(pg->up_ctx, cookie, -EBUSY, 0);
		return;
	}
	*slot = ad;
	advice_enter(pg, slot, ADVICE_ACTING);
	if (advice == PAGER_PIN)
		pin_charge(pg, segment, (int64_t)(count << sg->order));
	if (advice == PAGER_WILLNEED) {
		slot->is_answered = true;
		pg->up->done(pg->up_ctx, cookie, 0, 0);
	}
	(void)advice_step(pg, slot, &work);
}
