/* SPDX-License-Identifier: MIT */
/* Slots: bitmaps, and an array of successors for the chains.  Every change of
 * used_map goes through mark_used() and mark_free(), which also update the tree
 * of free runs. */
#include "daemon/pager/slots.h"

#include "common/bitmap.h"

#include <errno.h>

static uint64_t *used_map(const struct slots *sl)
{
	return sl->used_map.base;
}

static uint64_t *bad_map(const struct slots *sl)
{
	return sl->bad_map.base;
}

static slot_id *next_of(const struct slots *sl, slot_id slot)
{
	ASSERT(slot != SLOT_NONE && slot <= sl->slot_count);
	return (slot_id *)sl->next_table.base + (slot - 1);
}

static bool is_used(const struct slots *sl, slot_id slot)
{
	return bitmap_test(used_map(sl), slot - 1) &&
	       !bitmap_test(bad_map(sl), slot - 1);
}

int slots_init(struct slots *sl, uint32_t slot_count)
{
	size_t words = BITMAP_WORDS((size_t)slot_count);
	int err;

	*sl = (struct slots){
		.slot_count = slot_count,
		.free_count = slot_count,
	};
	/* The largest id is slot_count itself, so counts must not wrap. */
	if (slot_count == 0 || slot_count == UINT32_MAX)
		return -EINVAL;
	err = table_init(&sl->used_map, "memd-slots-used", 8, words);
	if (err != 0)
		goto fail;
	err = table_init(&sl->bad_map, "memd-slots-bad", 8, words);
	if (err != 0)
		goto fail;
	err = table_init(&sl->next_table, "memd-slots-next", sizeof(slot_id),
			 slot_count);
	if (err != 0)
		goto fail;
	err = runtree_init(&sl->free_runs, used_map(sl), slot_count);
	if (err != 0)
		goto fail;
	return 0;
fail:
	slots_fini(sl);
	return err;
}

void slots_fini(struct slots *sl)
{
	runtree_fini(&sl->free_runs);
	table_fini(&sl->next_table);
	table_fini(&sl->bad_map);
	table_fini(&sl->used_map);
	*sl = (struct slots){ 0 };
}

static void mark_used(struct slots *sl, uint32_t first, uint32_t count)
{
	bitmap_set_run(used_map(sl), first, count);
	runtree_update(&sl->free_runs, first, count);
	sl->free_count -= count;
	sl->used_count += count;
}

static void mark_free(struct slots *sl, uint32_t first, uint32_t count)
{
	bitmap_clear_run(used_map(sl), first, count);
	runtree_update(&sl->free_runs, first, count);
	sl->free_count += count;
	sl->used_count -= count;
}

/* Next-fit: search from the end of the last run, then from the start. */
uint32_t slots_get_run(struct slots *sl, uint32_t count, slot_id *ret_first)
{
	uint32_t first;

	count = MIN(count, runtree_longest(&sl->free_runs));
	if (count == 0)
		return 0;
	first = runtree_find(&sl->free_runs, sl->hint, count);
	if (first == sl->slot_count)
		first = runtree_find(&sl->free_runs, 0, count);
	ASSERT(first < sl->slot_count);
	mark_used(sl, first, count);
	sl->hint = first + count;
	*ret_first = first + 1;
	return count;
}

void slots_chain_run(struct slots *sl, slot_id first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		ASSERT(is_used(sl, first + i));
		*next_of(sl, first + i) =
			i + 1 < count ? first + i + 1 : SLOT_NONE;
	}
}

int slots_get_chain(struct slots *sl, uint32_t count, slot_id *ret_first)
{
	slot_id head = SLOT_NONE, tail = SLOT_NONE;

	ASSERT(count > 0);
	if (count > sl->free_count)
		return -ENOSPC;
	/* Take the longest run each time: this gives the fewest runs. */
	while (count > 0) {
		slot_id first = SLOT_NONE;
		uint32_t got = slots_get_run(sl, count, &first);

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

/* Cut off the run of neighbours at the head of the chain: [first, first +
 * count).  Returns the next slot of the chain. */
static slot_id unchain_run(struct slots *sl, slot_id first, uint32_t *ret_count)
{
	slot_id slot = first, next;

	for (;;) {
		slot_id *link = next_of(sl, slot);

		ASSERT(is_used(sl, slot));
		next = *link;
		*link = SLOT_NONE;
		if (next != slot + 1)
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

		mark_free(sl, first - 1, count);
		first = next;
	}
}

/* A bad slot stays set in used_map, so no search finds it. */
void slots_quarantine_chain(struct slots *sl, slot_id first)
{
	while (first != SLOT_NONE) {
		uint32_t count;
		slot_id next = unchain_run(sl, first, &count);

		bitmap_set_run(bad_map(sl), first - 1, count);
		sl->used_count -= count;
		sl->quarantined_count += count;
		first = next;
	}
}

/* Each used slot has at most one predecessor in a chain, and only used slots
 * are successors. */
static void check_chains(const struct slots *sl)
{
	uint64_t *has_previous = calloc(BITMAP_WORDS((size_t)sl->slot_count),
					sizeof(*has_previous));

	ASSERT(has_previous != NULL);
	for (slot_id slot = 1; slot <= sl->slot_count; slot++) {
		slot_id next;

		if (!is_used(sl, slot))
			continue;
		next = slots_next(sl, slot);
		if (next == SLOT_NONE)
			continue;
		ASSERT(next <= sl->slot_count && is_used(sl, next));
		ASSERT(!bitmap_test(has_previous, next - 1));
		bitmap_set(has_previous, next - 1);
	}
	free(has_previous);
}

void slots_check(const struct slots *sl)
{
	uint32_t set = (uint32_t)bitmap_count(used_map(sl), sl->slot_count);
	uint32_t bad = (uint32_t)bitmap_count(bad_map(sl), sl->slot_count);

	ASSERT(sl->free_count + sl->used_count + sl->quarantined_count ==
	       sl->slot_count);
	ASSERT(set == sl->used_count + sl->quarantined_count);
	ASSERT(bad == sl->quarantined_count);
	for (size_t i = 0; i < BITMAP_WORDS((size_t)sl->slot_count); i++)
		ASSERT((bad_map(sl)[i] & ~used_map(sl)[i]) == 0);
	ASSERT(sl->hint <= sl->slot_count);
	runtree_check(&sl->free_runs);
	check_chains(sl);
}
