/* SPDX-License-Identifier: MIT */
/* Counts all slots again. */
#include "daemon/pager/slots.h"

#include "common/bitmap.h"

static bool is_quarantined(const struct slots *sl, uint32_t idx)
{
	return bitmap_test(slots_bad_map(sl), idx);
}

static bool is_free(const struct slots *sl, uint32_t idx)
{
	return bitmap_test(slots_free_map(sl), idx);
}

static void add_counts(struct slot_counts *sum, const struct slot_counts *c)
{
	sum->all += c->all;
	sum->free += c->free;
	sum->used += c->used;
	sum->quarantined += c->quarantined;
}

static bool is_same_count(const struct slot_counts *a,
			  const struct slot_counts *b)
{
	return a->all == b->all && a->free == b->free && a->used == b->used &&
	       a->quarantined == b->quarantined;
}

static void check_slot_file(const struct slots *sl,
			    const struct slot_file *fl,
		       struct slot_counts *sum)
{
	struct slot_counts count = { .all = fl->slot_count };

	for (uint32_t i = 0; i < fl->region_slots; i++) {
		uint32_t idx = fl->region + i;

		ASSERT(slots_file(sl, slots_file_at(sl, idx)) == fl);
		/* Slots behind the end of the file are neither. */
		ASSERT(!(is_free(sl, idx) && is_quarantined(sl, idx)));
		ASSERT(i < fl->slot_count ||
		       !(is_free(sl, idx) || is_quarantined(sl, idx)));
		count.free += is_free(sl, idx);
		count.quarantined += is_quarantined(sl, idx);
	}
	ASSERT(count.free == fl->free_count);
	count.used = count.all - count.free - count.quarantined;
	add_counts(sum, &count);
}

/* Each used slot of the file has at most one predecessor in a chain, and only
 * used slots of the same area are successors. */
static void check_chains(const struct slots *sl, const struct slot_file *fl,
			 uint64_t *has_previous)
{
	for (uint32_t i = 0; i < fl->slot_count; i++) {
		uint32_t idx = fl->region + i;
		slot_id next;

		if (is_free(sl, idx) || is_quarantined(sl, idx))
			continue;
		next = slots_next(sl, idx + 1);
		if (next == SLOT_NONE)
			continue;
		ASSERT(next <= sl->number_count && !is_free(sl, next - 1) &&
		       !is_quarantined(sl, next - 1));
		ASSERT(slots_file(sl, slots_file_at(sl, next - 1))->area ==
		       fl->area);
		ASSERT(!bitmap_test(has_previous, next - 1));
		bitmap_set(has_previous, next - 1);
	}
}

void slots_check(const struct slots *sl)
{
	size_t words = BITMAP_WORDS((size_t)sl->number_count);
	uint64_t *has_previous = calloc(words, sizeof(*has_previous));
	struct slot_counts all = { 0 };

	ASSERT(has_previous != NULL);
	for (area_id id = 1; id <= sl->areas_max; id++) {
		const struct slot_area *ar = slots_area(sl, id);
		struct slot_counts sum = { 0 };

		if (!ar->is_used)
			continue;
		for (file_id at = ar->first_file; at != 0;
		     at = slots_file(sl, at)->next) {
			ASSERT(slots_file(sl, at)->area == id);
			check_slot_file(sl, slots_file(sl, at), &sum);
			check_chains(sl, slots_file(sl, at), has_previous);
		}
		ASSERT(is_same_count(&sum, &ar->count));
		add_counts(&all, &sum);
	}
	ASSERT(is_same_count(&all, &sl->count));
	ASSERT(bitmap_count(slots_free_map(sl), sl->number_count) ==
	       all.free);
	runtree_check(&sl->free_runs);
	free(has_previous);
}
