/* SPDX-License-Identifier: MIT */
/* Advice: what a client asks to be done to a range.
 *
 * An advice walks its range page by page and parks where a page is busy or a
 * frame, staging or a batch is missing; the end of any I/O wakes it.  So each
 * kind is one function that deals with one page and says whether to go on.
 *
 * Pins: every PIN reserves its whole range, at most half of the pool (or an
 * eighth more, which reserved segments have for themselves) and half of each
 * limited account, before it touches a page; with pins counted per page,
 *
 *   sum over frames of pins * units
 *       == pinned_units - what PINs under way have reserved but not reached
 *                       - what UNPINs under way have taken off */
#include "daemon/pager/internal.h"

#include <errno.h>

enum advice_step {
	STEP_NEXT,		/* done with this page (or run): go on */
	STEP_PARK,		/* come back after the next completion */
	STEP_STOP,		/* the advice has ended */
};

/* One step: how many units it may act on, and what it did. */
struct advice_turn {
	uint64_t most_units;		/* more only where a page is larger */
	uint64_t pages;			/* that it dealt with */
	uint64_t units;			/* captured, discarded, filled, read */
	int result;			/* what went wrong */
};

static struct page *page_at(struct pager *pg, const struct advice *ad,
			    page_id *ret_id)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];

	*ret_id = (page_id)(sg->first + ad->cursor);
	return &pg->page[*ret_id];
}

static bool is_pinned(const struct pager *pg, const struct page *p)
{
	return p->frame != 0 && pg->frame[p->frame].pins != 0;
}

/* ---- DONTNEED */

static bool is_droppable(const struct pager *pg, const struct page *p)
{
	return p->frame != 0 && !page_is_busy(p) && !is_pinned(pg, p);
}

/* How many neighbours, from the cursor on, have data that can go. */
static uint64_t droppable_run(const struct pager *pg, const struct advice *ad,
			      uint64_t most)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];
	uint64_t end = MIN(ad->end, ad->cursor + MAX(most, 1u));
	uint64_t page = ad->cursor;

	while (page < end && page_next_used(pg, sg, page, 1) == page &&
	       is_droppable(pg, &pg->page[sg->first + page]))
		page++;
	return page - ad->cursor;
}

static void drop_page(struct pager *pg, struct pager_segment *sg, page_id id)
{
	struct page *p = &pg->page[id];

	if (p->frame != 0)
		frame_put(pg, p->frame);
	p->frame = 0;
	p->flags = 0;
	page_drop_slot(pg, sg, id);
	page_enter(pg, sg, id, PAGE_ZERO);
}

/* What is in the data file goes run by run: a punch for each page would cost
 * far more than all the rest. */
static enum advice_step dontneed_page(struct pager *pg, struct advice *ad,
				      struct advice_turn *turn)
{
	struct pager_segment *sg = &pg->segment[ad->segment];
	page_id id;
	const struct page *p = page_at(pg, ad, &id);

	if (p->state == PAGE_ZERO)
		return STEP_NEXT;
	if (page_is_busy(p))
		return STEP_PARK;
	if (is_pinned(pg, p)) {
		turn->result = -EBUSY;
		return STEP_NEXT;
	}
	if (p->frame != 0)
		turn->pages = droppable_run(pg, ad,
					    turn->most_units >> sg->order);
	turn->units = turn->pages << sg->order;
	if (p->frame != 0 &&
	    pg->ops->discard(pg->ctx, ad->segment, ad->cursor << sg->order,
			     turn->units) != 0) {
		turn->result = -EBUSY;
		return STEP_NEXT;
	}
	for (uint64_t i = 0; i < turn->pages; i++)
		drop_page(pg, sg, id + (page_id)i);
	ad->count += turn->pages;
	return STEP_NEXT;
}

/* ---- COLD */

static enum advice_step cold_page(struct pager *pg, struct advice *ad,
				  struct advice_turn *turn)
{
	page_id id;
	const struct page *p = page_at(pg, ad, &id);

	(void)turn;
	if (p->state != PAGE_RESIDENT || is_pinned(pg, p))
		return STEP_NEXT;
	frame_set_flags(pg, p->frame, FRAME_COLD,
			FRAME_REFERENCED | FRAME_FRESH);
	clock_age(pg, ad->segment, ad->cursor);
	ad->count++;
	return STEP_NEXT;
}

/* ---- PAGEOUT: first start evicting all, then wait until all has ended. */

static uint32_t candidate_run(const struct pager *pg, const struct advice *ad,
			      uint64_t most)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];
	uint64_t end = ad->cursor;

	most = MIN(MAX(most, 1u), (uint64_t)BATCH_PAGES_MAX);
	while (end < ad->end && end - ad->cursor < most &&
	       page_next_used(pg, sg, end, 1) == end &&
	       evict_is_candidate(pg, (page_id)(sg->first + end)))
		end++;
	return (uint32_t)(end - ad->cursor);
}

static enum advice_step pageout_page(struct pager *pg, struct advice *ad,
				     struct advice_turn *turn)
{
	page_id id;
	const struct page *p = page_at(pg, ad, &id);
	uint32_t taken, run;

	if (ad->phase == 1)
		return p->state == PAGE_EVICTING ||
		       (p->flags & PAGE_WRITING) ? STEP_PARK : STEP_NEXT;
	if (p->state != PAGE_RESIDENT)
		return STEP_NEXT;
	if (is_pinned(pg, p)) {
		turn->result = -EBUSY;
		return STEP_NEXT;
	}
	run = candidate_run(pg, ad, turn->most_units >>
				    pg->segment[ad->segment].order);
	if (run == 0)
		return STEP_PARK;
	taken = evict_run(pg, ad->segment, ad->cursor, run);
	if (taken == 0)		/* no staging now, or capture refused it */
		return pg->write_staging.used_count != 0 ? STEP_PARK :
							   STEP_NEXT;
	ad->count += taken;
	turn->pages = taken;
	turn->units = (uint64_t)taken << pg->segment[ad->segment].order;
	return STEP_NEXT;
}

/* The page at the cursor and those behind it that the advice is about. */
static struct intake advice_intake(const struct advice *ad)
{
	return (struct intake){
		.segment = ad->segment,
		.from = ad->cursor,
		.step = 1,
		.count = (uint32_t)MIN(ad->end - ad->cursor,
				       (uint64_t)BATCH_PAGES_MAX),
		.has_waiter = ad->kind == PAGER_PIN,
	};
}

/* Start reading; in->count pages. */
static bool advice_load(struct pager *pg, const struct advice *ad,
			struct intake *in, account_id *ret_account)
{
	batch_id batch;

	*in = advice_intake(ad);
	load_cut(pg, in);
	return load_start(pg, in, ret_account, &batch);
}

static bool advice_fill(struct pager *pg, const struct advice *ad,
			account_id *ret_account, struct advice_turn *turn)
{
	struct intake in = advice_intake(ad);
	unsigned order = pg->segment[ad->segment].order;

	in.count = MIN(in.count, MAX((uint32_t)turn->most_units >> order, 1u));
	zero_cut(pg, &in);
	turn->units = (uint64_t)in.count << order;
	return zero_fill(pg, &in, ret_account);
}

/* ---- WILLNEED: what there is room for, in the background. */

static enum advice_step willneed_page(struct pager *pg, struct advice *ad,
				      struct advice_turn *turn)
{
	account_id account;
	struct intake in;
	page_id id;

	if (page_at(pg, ad, &id)->state != PAGE_SWAPPED)
		return STEP_NEXT;
	if (frame_room(pg, &pg->segment[ad->segment], false, 1) == 0)
		return STEP_STOP;
	if (!advice_load(pg, ad, &in, &account))
		return STEP_PARK;
	turn->pages = in.count;
	turn->units = (uint64_t)in.count << pg->segment[ad->segment].order;
	ad->count += in.count;
	return STEP_NEXT;
}

/* ---- PIN and UNPIN */

enum { UNPIN_LOOK, UNPIN_TAKE };	/* the phases of UNPIN */

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

/* Have frames freed: the pool's, or, where its limit is in the way, the
 * account's. */
static enum advice_step pin_wait(struct pager *pg, struct advice *ad,
				 account_id account)
{
	uint64_t *wanted = account != 0 ? &pg->account[account].wanted_units :
					  &pg->wanted_units;

	*wanted = MAX(*wanted, order_units(pg->segment[ad->segment].order));
	if (account != 0)
		account_list_add(pg, ACCOUNT_PRESSED, account);
	ad->is_wanting = true;
	return STEP_PARK;
}

static enum advice_step pin_page(struct pager *pg, struct advice *ad,
				 struct advice_turn *turn)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];
	account_id account;
	struct intake in;
	page_id id;
	struct page *p = page_at(pg, ad, &id);

	switch ((enum page_state)p->state) {
	case PAGE_RESIDENT:
		break;
	case PAGE_ZERO:
		if (!advice_fill(pg, ad, &account, turn))
			return pin_wait(pg, ad, account);
		break;
	case PAGE_EVICTING:
		if (!evict_put_back(pg, id))
			return STEP_PARK;
		break;
	case PAGE_SWAPPED:
		if (!advice_load(pg, ad, &in, &account))
			return pin_wait(pg, ad, account);
		return STEP_PARK;
	case PAGE_LOST:
		turn->result = -EIO;
		return STEP_STOP;
	case PAGE_LOADING:
	case PAGE_STATES:
		return STEP_PARK;
	}
	if (p->flags & PAGE_PARTIAL) {
		if (pg->ops->install(pg->ctx, ad->segment,
				     ad->cursor << sg->order,
				     order_units(sg->order), NULL) != 0)
			return STEP_PARK;
		p->flags &= (uint8_t)~PAGE_PARTIAL;
	}
	if (pg->frame[p->frame].pins == UINT16_MAX) {
		turn->result = -ENOMEM;
		return STEP_STOP;
	}
	pg->frame[p->frame].pins++;
	page_mark_used(pg, id);
	ad->count++;
	return STEP_NEXT;
}

/* The PIN cannot be: take the pins that it has set off again, turn by turn,
 * and give back all that it has reserved. */
static void pin_undo(struct pager *pg, struct advice *ad, int error)
{
	unsigned order = pg->segment[ad->segment].order;

	ad->kind = PAGER_UNPIN;
	ad->phase = UNPIN_TAKE;
	ad->charged_units = (ad->end - ad->first) << order;
	ad->end = ad->cursor;
	ad->cursor = ad->first;
	ad->result = error;
	ad->count = 0;
}

/* Is another at the pins of these pages?  Then its pins are nobody else's: a
 * PIN may have to take them off again, an UNPIN has counted on them. */
static bool is_being_pinned(const struct pager *pg, const struct advice *ad)
{
	for (unsigned i = 0; i < ADVICE_MAX && pg->advice_count != 0; i++) {
		const struct advice *other = &pg->advice[i];

		if (other->is_used &&
		    (other->kind == PAGER_PIN || other->kind == PAGER_UNPIN) &&
		    other->segment == ad->segment && other->first < ad->end &&
		    ad->first < other->end)
			return true;
	}
	return false;
}

/* First see that all are pinned, then take the pins off.  Between the two only
 * more pins can come. */
static enum advice_step unpin_page(struct pager *pg, struct advice *ad,
				   struct advice_turn *turn)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];
	page_id id = (page_id)(sg->first + ad->cursor);

	if (ad->phase == UNPIN_TAKE) {
		ASSERT(is_pinned(pg, &pg->page[id]));
		pg->frame[pg->page[id].frame].pins--;
		ad->count++;
	} else if (page_next_used(pg, sg, ad->cursor, 1) != ad->cursor ||
		   !is_pinned(pg, &pg->page[id])) {
		turn->result = -EINVAL;
		return STEP_STOP;
	}
	return STEP_NEXT;
}

/* ---- walking */

static enum advice_step (*const step_of[])(struct pager *pg, struct advice *ad,
					   struct advice_turn *turn) = {
	[PAGER_WILLNEED] = willneed_page,
	[PAGER_DONTNEED] = dontneed_page,
	[PAGER_COLD] = cold_page,
	[PAGER_PAGEOUT] = pageout_page,
	[PAGER_PIN] = pin_page,
	[PAGER_UNPIN] = unpin_page,
};

static void advice_end(struct pager *pg, struct advice *ad, int result)
{
	struct advice done = *ad;

	if (ad->charged_units != 0) {
		pin_charge(pg, ad->segment, -(int64_t)ad->charged_units);
		pg->futile_units = 0;
	}
	clock_age_flush(pg);
	*ad = (struct advice){ 0 };
	pg->advice_count--;
	pg->advice_others -= !pg->segment[done.segment].is_reserved;
	if (!done.is_answered)
		pg->ops->done(pg->ctx, done.cookie, result, done.count);
}

/* It has come to the end of its range.  Returns true when that was all. */
static bool advice_has_ended(struct pager *pg, struct advice *ad)
{
	const struct pager_segment *sg = &pg->segment[ad->segment];

	if (ad->phase != 0 ||
	    (ad->kind != PAGER_PAGEOUT && ad->kind != PAGER_UNPIN))
		return true;
	ad->phase = 1;
	ad->cursor = ad->first;
	if (ad->kind == PAGER_UNPIN)
		ad->charged_units = (ad->end - ad->first) << sg->order;
	return false;
}

/* Work done at once, by all advice together: some 30 us.  It is counted in
 * pages passed over; to capture, discard, fill or read a unit costs as much as
 * some of these, and 8 chunks of untouched pages as much as one. */
enum {
	ADVICE_WORK_PER_TURN = 256,
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
		ad->is_wanting = false;
		step = step_of[ad->kind](pg, ad, &turn);
		spend(work, turn.pages + turn.units * price);
		if (step == STEP_PARK)
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

/* As far as the turn's work goes.  Returns true when one of them can go on at
 * once. */
bool advice_step_all(struct pager *pg)
{
	uint32_t left = pg->advice_count;
	unsigned start = pg->advice_next % ADVICE_MAX;
	bool can_go_on = false;

	for (unsigned n = 0; n < ADVICE_MAX && left > 0; n++) {
		struct advice *ad = &pg->advice[(start + n) % ADVICE_MAX];

		if (!ad->is_used)
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

/* Nothing will ever be free for these.  Returns true when there are any. */
bool advice_fail_wanting(struct pager *pg)
{
	bool are_any = false;

	for (unsigned i = 0; i < ADVICE_MAX; i++) {
		struct advice *ad = &pg->advice[i];

		if (!ad->is_used || !ad->is_wanting)
			continue;
		ad->is_wanting = false;
		pin_undo(pg, ad, -ENOMEM);
		are_any = true;
	}
	return are_any;
}

void advice_end_segment(struct pager *pg, segment_id segment)
{
	uint32_t left = pg->advice_count;

	for (unsigned i = 0; left > 0 && i < ADVICE_MAX; i++) {
		struct advice *ad = &pg->advice[i];

		left -= ad->is_used;
		if (!ad->is_used || ad->segment != segment)
			continue;
		/* Its pins have all been given back already. */
		ad->charged_units = 0;
		advice_end(pg, ad, -EFAULT);
	}
}

/* WILLNEED is answered before it is done; so it must leave room for those who
 * wait. */
enum { WILLNEED_MAX = ADVICE_MAX / 4 };

static unsigned willneed_count(const struct pager *pg)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ADVICE_MAX; i++)
		count += pg->advice[i].is_used &&
			 pg->advice[i].kind == PAGER_WILLNEED;
	return count;
}

static struct advice *advice_get(struct pager *pg, bool is_reserved)
{
	if (!is_reserved &&
	    pg->advice_others >= ADVICE_MAX - PAGER_ADVICE_RESERVED)
		return NULL;
	for (unsigned i = 0; i < ADVICE_MAX; i++)
		if (!pg->advice[i].is_used) {
			pg->advice_count++;
			pg->advice_others += !is_reserved;
			return &pg->advice[i];
		}
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
	pg->ops->done(pg->ctx, ad->cookie, 0, ad->end - ad->first);
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
		.is_used = true,
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
		pg->ops->done(pg->ctx, cookie, -EFAULT, 0);
		return;
	}
	if (count == 0 || first >= sg->page_count ||
	    count > sg->page_count - first) {
		pg->ops->done(pg->ctx, cookie, -EINVAL, 0);
		return;
	}
	if (advise_now(pg, &ad))
		return;
	err = advice_check(pg, &ad);
	if (err != 0) {
		pg->ops->done(pg->ctx, cookie, err, 0);
		return;
	}
	if (advice == PAGER_WILLNEED && willneed_count(pg) >= WILLNEED_MAX) {
		pg->ops->done(pg->ctx, cookie, 0, 0);	/* only advice */
		return;
	}
	slot = advice_get(pg, sg->is_reserved);
	if (slot == NULL) {
		pg->ops->done(pg->ctx, cookie, -EBUSY, 0);
		return;
	}
	*slot = ad;
	if (advice == PAGER_PIN)
		pin_charge(pg, segment, (int64_t)(count << sg->order));
	if (advice == PAGER_WILLNEED) {
		slot->is_answered = true;
		pg->ops->done(pg->ctx, cookie, 0, 0);
	}
	(void)advice_step(pg, slot, &work);
}
