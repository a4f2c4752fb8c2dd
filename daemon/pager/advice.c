/* SPDX-License-Identifier: MIT */
/* Advice: requests of a client to treat a range in some way.
 *
 * An advice walks over its range page by page (advice_act.c).  It parks if a
 * page is busy, or if a frame, staging or a batch is missing.  The end of any
 * I/O wakes it.
 *
 *                         no frame
 *    FREE ──────▶ ACTING ◀────────▶ WANTING
 *     ▲            │   │               │
 *     ├────────────┘   │ range walked  │ there will be none
 *     │                ▼               │
 *     └───────────── ENDING ◀──────────┘
 *
 * DONTNEED waits for the drops that it has started, also if they may never end:
 * until then its pages are still in the data file.  All other advice goes past
 * a page whose capture is stuck, with -EBUSY.
 *
 * Four kinds of advice need a second walk, ENDING.  PAGEOUT waits until all
 * evictions that it has started have ended, and FETCH for its reads.  UNPIN,
 * which has seen that all pages are pinned, removes the pins; between the two
 * walks pins can only be added.  A PIN that has failed removes the pins that it
 * has set.
 *
 *   D1  ACTING: pages [first, cursor) are done.  ENDING: the same for the
 *       second walk.
 *   D2  Only a PIN can be WANTING.  It stays WANTING until its next step.
 *   D3  A PIN reserves pins for its whole range before it touches a page.  All
 *       pins together are at most half of the pool and half of the limit of
 *       each account.  Reserved segments have an eighth of the pool besides.
 *       Pins are counted per page:
 *
 *   sum over frames of pins * units
 *       == pinned_units - what PINs under way have reserved but not reached
 *                       - what UNPINs under way have taken off
 *
 *   D4  charged_units are given back exactly when the advice becomes FREE,
 *       except if the segment has gone with all its pins. */
#include "daemon/pager/advice.h"

#include "daemon/pager/account.h"
#include "daemon/pager/advice_act.h"
#include "daemon/pager/victims.h"
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

/* Reserve `units` of pins; a negative number gives them back. */
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

/* True if another PIN or UNPIN of some of these pages is under way.  An UNPIN
 * must not take its pins: the PIN may have to remove them again, and the UNPIN
 * counts on them. */
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
	victims_age_flush(pg);
	advice_enter(pg, ad, ADVICE_FREE);
	if (!done.is_answered)
		pg->up->done(pg->up_ctx, done.cookie, result, done.count);
}

/* Begin the second walk, over pages [first, end). */
static void enter_ending(struct pager *pg, struct advice *ad, uint64_t end)
{
	advice_enter(pg, ad, ADVICE_ENDING);
	if (ad->kind == PAGER_PIN || ad->kind == PAGER_UNPIN)
		ad->charged_units = (ad->end - ad->first)
				    << pg->segment[ad->segment].order;
	ad->end = end;
	ad->cursor = ad->first;
}

/* The PIN has failed: remove the pins that it has set, in several turns if
 * needed, and give back all that it has reserved. */
static void pin_undo(struct pager *pg, struct advice *ad, int error)
{
	enter_ending(pg, ad, ad->cursor);
	ad->result = error;
	ad->count = 0;
}

/* The advice has walked over its range.  False if it needs a second walk, which
 * begins. */
static bool advice_has_ended(struct pager *pg, struct advice *ad)
{
	if (ad->state == ADVICE_ENDING || ad->kind == PAGER_PIN ||
	    advice_acts[ad->kind].end == NULL)
		return true;
	enter_ending(pg, ad, ad->end);
	return false;
}

/* Limits of the work of all advice in one turn: about 30 us.  The unit of work
 * is one page that is passed over.  The constants say how much work it is to
 * capture, discard, fill or read a unit, and how many untouched chunks are as
 * much work as one page. */
enum {
	WORK_PER_UNIT = 8,
	/* A capture costs less in a long run.  But while faults come in, they
	 * would wait for the whole run, so runs must be short. */
	WORK_PER_CAPTURE = 32,
	WORK_PER_QUIET_CAPTURE = 4,
	CHUNKS_PER_WORK = 8,
	/* For one request on a reserved segment, whose owner asks for 256 pages
	 * at a time and copies them. */
	ADVICE_WORK_RESERVED = 256 * (WORK_PER_UNIT + 1) + 64,
};

#define ADVICE_QUIET_NS	UINT64_C(10000000)

static void spend(uint32_t *work, uint64_t cost)
{
	*work -= (uint32_t)MIN((uint64_t)*work, cost);
}

/* True if there was a fault within the last ADVICE_QUIET_NS. */
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

/* Pass over pages that were never touched: there is nothing to do for them. */
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

/* Walk on, as far as `work` goes.  True: the advice can go on at once. */
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
			ad->claim_tries = 0;
		} else if (ad->kind == PAGER_PIN) {
			pin_undo(pg, ad, ad->result);
		} else {
			advice_end(pg, ad, ad->result);
			return false;
		}
	}
	victims_age_flush(pg);
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
		/* The next turn begins with this one. */
		if (pg->advice_work == 0) {
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
		/* All pins of the segment were given back by
		 * pager_segment_destroy(). */
		ad->charged_units = 0;
		advice_end(pg, ad, -EFAULT);
	}
}

/* ---- requests */

/* WILLNEED is answered before it is done, so clients can send any number.  It
 * must leave entries for requests that a client waits for. */
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

/* Advice that needs no walk.  False: the advice is of another kind. */
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

/* 0, or the reason to refuse the advice at once. */
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
		/* allowed: it is only advice */
		pg->up->done(pg->up_ctx, cookie, 0, 0);
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
