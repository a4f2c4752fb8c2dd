/* SPDX-License-Identifier: MIT */
#include "daemon/pager/stream.h"

#include "common/checks.h"

enum {
	USE_COUNT_MAX = 1024,	/* then the older half counts half */
	REACH_NEAR = 64,
	REACH_FAR = 2,
};

/* How many steps from the stream's `last` to `page`; -1: not on its way. */
static int64_t steps_to(const struct stream *st, uint64_t page)
{
	int64_t distance = (int64_t)(page - st->last);

	if (st->step == 0 || distance % st->step != 0)
		return -1;
	return distance / st->step;
}

uint64_t stream_page(const struct stream *st, uint32_t count)
{
	int64_t page = (int64_t)st->last + (int64_t)st->step * count;

	return page < 0 ? UINT64_MAX : (uint64_t)page;
}

/* ---- moving on */

static bool is_wasteful(const struct stream_set *set)
{
	return set->wasted_count > set->hit_count &&
	       set->wasted_count >= 4 * STREAM_WINDOW_FIRST;
}

void stream_count_use(struct stream_set *set, uint32_t hits, uint32_t wasted)
{
	set->hit_count += hits;
	set->wasted_count += wasted;
	if (set->hit_count + set->wasted_count >= USE_COUNT_MAX) {
		set->hit_count /= 2;
		set->wasted_count /= 2;
	}
}

/* `window_max` is in pages. */
static void set_window(struct stream *st, uint32_t window, uint32_t window_max)
{
	st->window = MIN(window, MAX(window_max / stream_span(st), 1u));
}

static void set_mark(struct stream *st)
{
	st->mark = MAX(st->goal - MIN(st->goal, st->window / 2), 1u);
	st->is_marked = false;
}

/* The next window, behind those `used` steps that are about to be used up. */
static void grow_window(struct stream_set *set, struct stream *st,
			uint32_t used, uint32_t window_max)
{
	uint32_t least = STREAM_WINDOW_FIRST;

	set_window(st, is_wasteful(set) ? MAX(st->window / 2, least) :
					  st->window * 2, window_max);
	st->goal = MIN(st->goal, used + st->window) + st->window;
	st->goal = MAX(st->goal, st->ahead);
	set_mark(st);
}

bool stream_expect(struct stream_set *set, struct stream *st, uint32_t count,
		   uint32_t window_max)
{
	if (st->mark == 0 || count < st->mark)
		return false;
	grow_window(set, st, count, window_max);
	return true;
}

/* The reader is `count` steps further. */
static void move_on(struct stream_set *set, struct stream *st, uint32_t count,
		    uint32_t window_max)
{
	bool is_due = st->mark == 0 || count >= st->mark;

	st->last = stream_page(st, count);
	st->last_use = ++set->tick;
	st->ahead -= MIN(st->ahead, count);
	st->goal -= MIN(st->goal, count);
	if (!is_due) {
		st->mark -= count;
		return;
	}
	grow_window(set, st, 0, window_max);
}

void stream_stop(struct stream *st)
{
	st->goal = st->ahead;
	if (st->goal == 0)
		st->mark = 0;
	else if (st->mark > st->goal)
		st->mark = st->goal;
}

void stream_drop(struct stream *st)
{
	*st = (struct stream){ 0 };
}

/* ---- known ones */

/* How far behind its goal a reader is looked for: pages that were there anyway
 * may lie between. */
static uint32_t reach_of(const struct stream *st)
{
	return st->step == 1 || st->step == -1 ?
		MIN(st->window, (uint32_t)REACH_NEAR) : (uint32_t)REACH_FAR;
}

/* The stream that expects `page` first. */
static struct stream *match(struct stream_set *set, uint64_t page,
			    uint32_t *ret_count)
{
	struct stream *found = NULL;

	for (unsigned i = 0; i < STREAM_COUNT; i++) {
		struct stream *st = &set->stream[i];
		int64_t count = steps_to(st, page);

		if (count < 0 || count > (int64_t)st->goal + reach_of(st) ||
		    (found != NULL && count >= *ret_count))
			continue;
		found = st;
		*ret_count = (uint32_t)count;
	}
	return found;
}

struct stream *stream_find(struct stream_set *set, uint64_t page)
{
	for (unsigned i = 0; i < STREAM_COUNT; i++) {
		struct stream *st = &set->stream[i];
		int64_t count = steps_to(st, page);

		if (count > 0 && count <= st->ahead)
			return st;
	}
	return NULL;
}

struct stream *stream_at(struct stream_set *set, uint64_t page)
{
	for (unsigned i = 0; i < STREAM_COUNT; i++)
		if (set->stream[i].step != 0 && set->stream[i].last == page)
			return &set->stream[i];
	return NULL;
}

/* ---- new ones */

static bool is_recent(const struct stream_set *set, uint64_t page)
{
	for (unsigned i = 0; i < STREAM_RECENT; i++)
		if (set->recent[i] == page + 1 && set->recent[i] != 0)
			return true;
	return false;
}

/* The step with which some reader has come to `page`; 0: none has.  One page
 * at a time is believed at once, other steps when they come twice. */
static int32_t find_step(const struct stream_set *set, uint64_t page)
{
	int64_t found = 0;

	if (page > 0 && is_recent(set, page - 1))
		return 1;
	if (is_recent(set, page + 1))
		return -1;
	for (unsigned i = 0; i < STREAM_RECENT; i++) {
		int64_t step = (int64_t)(page + 1 - set->recent[i]);
		uint64_t size = (uint64_t)(step < 0 ? -step : step);

		if (set->recent[i] == 0 || size > STREAM_STEP_MAX ||
		    (found != 0 && size >= (uint64_t)(found < 0 ? -found :
							       found)))
			continue;
		if (is_recent(set, page - 2 * (uint64_t)step))
			found = step;
	}
	return (int32_t)found;
}

static void remember_fault(struct stream_set *set, uint64_t page)
{
	set->recent[set->recent_next++ % STREAM_RECENT] = page + 1;
}

static struct stream *oldest(struct stream_set *set)
{
	struct stream *found = &set->stream[0];

	for (unsigned i = 0; i < STREAM_COUNT; i++) {
		struct stream *st = &set->stream[i];

		if (st->step == 0)
			return st;
		/* Ticks may wrap: what counts is the distance. */
		if (set->tick - st->last_use > set->tick - found->last_use)
			found = st;
	}
	return found;
}

static struct stream *begin_stream(struct stream_set *set,
				   enum stream_mode mode, uint64_t page,
				   uint32_t window_max)
{
	int32_t step = find_step(set, page);
	struct stream *st;

	remember_fault(set, page);
	if (step == 0 && mode == STREAM_SEQUENTIAL)
		step = 1;
	if (step == 0)
		return NULL;
	st = oldest(set);
	*st = (struct stream){
		.last = page,
		.step = step,
		.last_use = ++set->tick,
	};
	set_window(st, mode == STREAM_SEQUENTIAL ? window_max :
		   is_wasteful(set) ? 2u : (uint32_t)STREAM_WINDOW_FIRST,
		   window_max);
	st->goal = st->window;
	set_mark(st);
	return st;
}

/* Who goes on in equal steps touches the mark, which is left unmapped, before
 * what lies behind it.  Faults at random soon fall behind a large window, and
 * would make it larger still.  (That the mark was touched may be heard later
 * than of a fault where what was started ends.) */
static bool has_skipped_mark(const struct stream *st, uint32_t count)
{
	return st->is_marked && count > st->mark && count > st->ahead + 1;
}

void stream_note(struct stream_set *set, uint64_t page)
{
	set->recent[set->recent_next++ % STREAM_RECENT] = page + 1;
}

struct stream *stream_fault(struct stream_set *set, enum stream_mode mode,
			    uint64_t page, uint32_t window_max,
			    uint32_t *ret_passed)
{
	uint32_t count = 0;
	struct stream *st;

	*ret_passed = 0;
	if (window_max == 0 || mode == STREAM_RANDOM)
		return NULL;
	for (;;) {
		st = match(set, page, &count);
		if (st == NULL)
			return is_recent(set, page) ? NULL :
				begin_stream(set, mode, page, window_max);
		if (!has_skipped_mark(st, count))
			break;
		stream_drop(st);
	}
	if (count == 0)
		return st;
	move_on(set, st, count, window_max);
	*ret_passed = count;
	return st;
}

/* ---- marks */

/* The steps from `last` at which the stream is inside [first, first + count):
 * [*ret_low, *ret_high], not before `least` nor behind what was started.
 * False when there are none. */
static bool steps_inside(const struct stream *st, uint64_t first,
			 uint64_t count, uint32_t least, uint32_t *ret_low,
			 uint32_t *ret_high)
{
	int64_t size = st->step < 0 ? -(int64_t)st->step : st->step;
	/* As seen by one who goes forward. */
	int64_t near = st->step < 0 ?
		(int64_t)(st->last - (first + count - 1)) :
		(int64_t)(first - st->last);
	int64_t far = near + (int64_t)count - 1;
	int64_t low, high;

	if (size == 0 || far < 0)
		return false;
	low = near <= 0 ? 0 : (near + size - 1) / size;
	high = MIN(far / size, (int64_t)st->ahead);
	low = MAX(low, (int64_t)least);
	*ret_low = (uint32_t)low;
	*ret_high = (uint32_t)high;
	return low <= high;
}

struct stream *stream_touched(struct stream_set *set, uint64_t first,
			      uint64_t count, uint32_t window_max,
			      uint32_t *ret_passed)
{
	for (unsigned i = 0; i < STREAM_COUNT; i++) {
		struct stream *st = &set->stream[i];
		uint32_t low, high;

		if (st->mark == 0 || window_max == 0 ||
		    !steps_inside(st, first, count, st->mark, &low, &high))
			continue;
		/* It came to what it had not waited for. */
		st->is_chasing = false;
		move_on(set, st, high, window_max);
		*ret_passed = high;
		return st;
	}
	return NULL;
}

uint64_t stream_choose_mark(struct stream_set *set, uint64_t first,
			    uint64_t count, uint64_t avoid)
{
	for (unsigned i = 0; i < STREAM_COUNT; i++) {
		struct stream *st = &set->stream[i];
		uint32_t low, high;

		if (st->mark == 0 || st->is_marked || st->client == 0 ||
		    st->is_chasing ||
		    !steps_inside(st, first, count, st->mark, &low, &high))
			continue;
		if (stream_page(st, low) == avoid && ++low > high)
			continue;
		st->mark = low;
		st->is_marked = true;
		return stream_page(st, low);
	}
	return UINT64_MAX;
}

void stream_check(const struct stream_set *set)
{
	for (unsigned i = 0; i < STREAM_COUNT; i++) {
		const struct stream *st = &set->stream[i];

		if (st->step == 0)
			continue;
		ASSERT(st->ahead <= st->goal && st->mark <= st->goal);
		ASSERT(st->window != 0);
	}
}
