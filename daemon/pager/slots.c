/* SPDX-License-Identifier: MIT */
/* Runs and chains of slots.  Every change of free_map goes through
 * slots_mark(), which also updates the tree of free runs and the counts. */
#include "daemon/pager/slots.h"

#include "common/bitmap.h"

#include <errno.h>

static slot_id *next_of(const struct slots *sl, slot_id slot)
{
	ASSERT(slot != SLOT_NONE && slot <= sl->number_count);
	return (slot_id *)sl->next_table.base + (slot - 1);
}

static bool is_used(const struct slots *sl, slot_id slot)
{
	file_id id = slots_file_at(sl, slot - 1);
	const struct slot_file *fl = slots_file(sl, id);

	return id != 0 && slot - 1 < fl->region + fl->slot_count &&
	       !bitmap_test(slots_free_map(sl), slot - 1) &&
	       !bitmap_test(slots_bad_map(sl), slot - 1);
}

void slots_mark(struct slots *sl, uint32_t first, uint32_t count, bool is_free)
{
	struct slot_file *fl = slots_file(sl, slots_file_at(sl, first));
	struct slot_area *ar = slots_area(sl, fl->area);
	uint32_t delta = is_free ? count : 0 - count;

	if (is_free)
		bitmap_set_run(slots_free_map(sl), first, count);
	else
		bitmap_clear_run(slots_free_map(sl), first, count);
	runtree_update(&sl->free_runs, first, count);
	fl->free_count += delta;
	ar->count.free += delta;
	sl->count.free += delta;
}

static area_id area_of_slot(const struct slots *sl, slot_id slot)
{
	return slots_file(sl, slots_file_at(sl, slot - 1))->area;
}

static void note_used(struct slots *sl, area_id area, uint32_t delta)
{
	slots_area(sl, area)->count.used += delta;
	sl->count.used += delta;
}

/* ---- runs */

/* The longest run of the file, `count` at most.  Next-fit: search from the end
 * of the last run, then from the start.  A run that is found is never behind
 * the file: it has one that is long enough, and that is before. */
static uint32_t longest_in(const struct slots *sl, const struct slot_file *fl,
			   uint32_t count)
{
	if (fl->free_count == 0)
		return 0;
	return MIN(count, runtree_longest(&sl->free_runs, fl->region,
					  fl->region_slots));
}

static uint32_t find_in(const struct slots *sl, const struct slot_file *fl,
			uint32_t count)
{
	uint32_t end = fl->region + fl->slot_count;
	uint32_t at = runtree_find(&sl->free_runs, fl->hint, count);

	if (at >= end || count > end - at)
		at = runtree_find(&sl->free_runs, fl->region, count);
	ASSERT(at < end && count <= end - at);
	return at;
}

/* The file to take from: the one that was used last, if it has a run of
 * `count`; else the first one that has; else the one with the longest run.
 * *ret_count: the length of that run, `count` at most. */
static struct slot_file *choose_file(const struct slots *sl,
				     const struct slot_area *ar,
				     uint32_t count, uint32_t *ret_count)
{
	file_id best = ar->hint;

	*ret_count = best == 0 ? 0 : longest_in(sl, slots_file(sl, best),
						count);
	for (file_id id = ar->first_file; id != 0 && *ret_count < count;
	     id = slots_file(sl, id)->next) {
		uint32_t longest = longest_in(sl, slots_file(sl, id), count);

		if (longest > *ret_count) {
			*ret_count = longest;
			best = id;
		}
	}
	return slots_file(sl, best);
}

uint32_t slots_get_run(struct slots *sl, area_id area, uint32_t count,
		       slot_id *ret_first)
{
	struct slot_area *ar = slots_area(sl, area);
	struct slot_file *fl;
	uint32_t first;

	ASSERT(ar->is_used);
	if (ar->count.free == 0)
		return 0;
	fl = choose_file(sl, ar, count, &count);
	first = find_in(sl, fl, count);
	slots_mark(sl, first, count, false);
	note_used(sl, area, count);
	fl->hint = first + count;
	ar->hint = slots_file_at(sl, first);
	*ret_first = first + 1;
	return count;
}

/* ---- chains */

void slots_chain_run(struct slots *sl, slot_id first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		ASSERT(is_used(sl, first + i));
		*next_of(sl, first + i) =
			i + 1 < count ? first + i + 1 : SLOT_NONE;
	}
}

int slots_get_chain(struct slots *sl, area_id area, uint32_t count,
		    slot_id *ret_first)
{
	slot_id head = SLOT_NONE, tail = SLOT_NONE;

	ASSERT(count > 0);
	if (count > slots_area(sl, area)->count.free)
		return -ENOSPC;
	/* Take the longest run each time: this gives the fewest runs. */
	while (count > 0) {
		slot_id first = SLOT_NONE;
		uint32_t got = slots_get_run(sl, area, count, &first);

		ASSERT(got > 0);
		slots_chain_run(sl, first, got);
		if (head == SLOT_NONE)
			head = first;
		else
			*next_of(sl, tail) = first;
		tail = first + got - 1;
		count -= got;
	}
	*ret_first = head;
	return 0;
}

slot_id slots_next(const struct slots *sl, slot_id slot)
{
	return *next_of(sl, slot);
}

bool slots_are_joined(const struct slots *sl, slot_id a)
{
	return a % SLOTS_REGION != 0 ||
	       slots_file_at(sl, a - 1) == slots_file_at(sl, a);
}

/* Cut off the run of neighbours, in one file, at the head of the chain: [first,
 * first + count).  Returns the next slot of the chain. */
static slot_id unchain_run(struct slots *sl, slot_id first, uint32_t *ret_count)
{
	slot_id slot = first, next;

	for (;;) {
		slot_id *link = next_of(sl, slot);

		ASSERT(is_used(sl, slot));
		next = *link;
		*link = SLOT_NONE;
		if (next != slot + 1 || !slots_are_joined(sl, slot))
			break;
		slot = next;
	}
	*ret_count = slot - first + 1;
	return next;
}

void slots_put_chain(struct slots *sl, slot_id first)
{
	while (first != SLOT_NONE) {
		uint32_t count;
		slot_id next = unchain_run(sl, first, &count);

		slots_mark(sl, first - 1, count, true);
		note_used(sl, area_of_slot(sl, first), 0 - count);
		first = next;
	}
}

/* A bad slot stays clear in free_map, so no search finds it. */
void slots_quarantine_chain(struct slots *sl, slot_id first)
{
	while (first != SLOT_NONE) {
		uint32_t count;
		slot_id next = unchain_run(sl, first, &count);
		area_id area = area_of_slot(sl, first);

		bitmap_set_run(slots_bad_map(sl), first - 1, count);
		note_used(sl, area, 0 - count);
		slots_area(sl, area)->count.quarantined += count;
		sl->count.quarantined += count;
		first = next;
	}
}
