/* SPDX-License-Identifier: MIT */
/* Areas come and go, and so do their files. */
#include "daemon/pager/slots.h"

#include "common/bitmap.h"

#include <errno.h>

enum { NUMBERS_MAX = 1 << 30 };

/* A power of two. */
static uint32_t region_for(uint32_t slot_count)
{
	uint32_t region = SLOTS_REGION;

	while (region < slot_count)
		region *= 2;
	return region;
}

/* With areas there are four times as many numbers as slots: aligned regions of
 * different sizes leave gaps. */
uint32_t slots_numbers(uint32_t slot_count, area_id areas_max)
{
	uint32_t numbers = region_for(slot_count);

	return areas_max == 1 || numbers > NUMBERS_MAX / 4 ? numbers :
							      numbers * 4;
}

static int init_maps(struct slots *sl)
{
	size_t words = BITMAP_WORDS((size_t)sl->number_count);
	int err = table_init(&sl->free_map, "memd-slots-free", 8, words);

	if (err == 0)
		err = table_init(&sl->bad_map, "memd-slots-bad", 8, words);
	if (err == 0)
		err = table_init(&sl->written_map, "memd-slots-written", 8,
				 words);
	if (err == 0)
		err = table_init(&sl->next_table, "memd-slots-next",
				 sizeof(slot_id), sl->number_count);
	if (err == 0)
		err = runtree_init(&sl->free_runs, slots_free_map(sl),
				   sl->number_count);
	return err;
}

int slots_init(struct slots *sl, uint32_t slot_count, area_id areas_max)
{
	size_t regions;
	int err;

	*sl = (struct slots){
		.areas_max = areas_max, .area_free = 1, .file_free = 1,
	};
	if (slot_count == 0 || slot_count > (uint32_t)NUMBERS_MAX * 2)
		return -EINVAL;
	sl->number_count = slots_numbers(slot_count, areas_max);
	regions = sl->number_count / SLOTS_REGION;
	err = init_maps(sl);
	if (err == 0)
		err = table_init(&sl->region_table, "memd-slots-regions",
				 sizeof(file_id), regions);
	if (err == 0)
		err = table_init(&sl->area_table, "memd-slots-areas",
				 sizeof(struct slot_area), areas_max + 1ul);
	if (err == 0)
		err = table_init(&sl->file_table, "memd-slots-files",
				 sizeof(struct slot_file), regions + 1);
	if (err != 0)
		slots_fini(sl);
	return err;
}

void slots_fini(struct slots *sl)
{
	runtree_fini(&sl->free_runs);
	table_fini(&sl->file_table);
	table_fini(&sl->area_table);
	table_fini(&sl->region_table);
	table_fini(&sl->next_table);
	table_fini(&sl->written_map);
	table_fini(&sl->bad_map);
	table_fini(&sl->free_map);
	*sl = (struct slots){ 0 };
}

/* ---- areas */

/* Free entries are linked through first_file. */
area_id slots_add_area(struct slots *sl)
{
	area_id id = sl->area_free;
	struct slot_area *ar;

	if (id > sl->areas_max)
		return 0;
	ar = slots_area(sl, id);
	sl->area_free = ar->first_file != 0 ? ar->first_file : id + 1;
	*ar = (struct slot_area){ .is_used = true };
	return id;
}

void slots_remove_area(struct slots *sl, area_id area)
{
	struct slot_area *ar = slots_area(sl, area);

	ASSERT(ar->is_used && ar->count.used == 0 && ar->committed_units == 0);
	while (ar->first_file != 0)
		slots_remove_file(sl, slots_file(sl, ar->first_file)->region);
	ASSERT(ar->count.all == 0);
	*ar = (struct slot_area){ .first_file = sl->area_free };
	sl->area_free = area;
}

/* ---- files */

/* The first region of this size inside [at, end) of which no part belongs to a
 * file; `end` if there is none. */
static uint32_t find_region_in(const struct slots *sl, uint32_t region,
			       uint32_t at, uint32_t end)
{
	at = (at + region - 1) / region * region;
	while (at < end && region <= end - at) {
		uint32_t taken = at;

		while (taken < at + region && slots_file_at(sl, taken) == 0)
			taken += SLOTS_REGION;
		if (taken == at + region)
			return at;
		/* On to the first region of this size behind that file. */
		taken += slots_file(sl, slots_file_at(sl, taken))->region_slots;
		at = (taken + region - 1) / region * region;
	}
	return end;
}

/* Next-fit: whoever adds many files does not make each search pass all of
 * them.  number_count if there is no region. */
static uint32_t find_region(struct slots *sl, uint32_t region)
{
	uint32_t all = sl->number_count;
	uint32_t at = find_region_in(sl, region, sl->region_hint, all);

	if (at == all)
		at = find_region_in(sl, region, 0, all);
	if (at != all)
		sl->region_hint = at + region;
	return at;
}

static void set_regions(struct slots *sl, const struct slot_file *fl,
			file_id id)
{
	file_id *table = sl->region_table.base;

	for (uint32_t at = fl->region; at < fl->region + fl->region_slots;
	     at += SLOTS_REGION)
		table[at / SLOTS_REGION] = id;
}

static void count_file(struct slots *sl, area_id area, uint32_t slot_count,
		       int sign)
{
	struct slot_area *ar = slots_area(sl, area);
	uint32_t delta = sign < 0 ? 0 - slot_count : slot_count;

	ar->count.all += delta;
	sl->count.all += delta;
}

int slots_add_file(struct slots *sl, area_id area, uint32_t count,
		   uint32_t *ret_first)
{
	struct slot_area *ar = slots_area(sl, area);
	uint32_t region = region_for(count), at;
	file_id id = sl->file_free;
	struct slot_file *fl = slots_file(sl, id);

	ASSERT(ar->is_used && count != 0 &&
	       (count <= SLOTS_FILE_MAX || sl->areas_max == 1));
	if (region > sl->number_count)
		return -ENOSPC;
	at = find_region(sl, region);
	if (at == sl->number_count)
		return -ENOSPC;
	sl->file_free = fl->next != 0 ? fl->next : id + 1;
	*fl = (struct slot_file){
		.area = area,
		.next = ar->first_file,
		.region = at,
		.region_slots = region,
		.slot_count = count,
		.hint = at,
	};
	ar->first_file = id;
	ar->hint = id;
	set_regions(sl, fl, id);
	count_file(sl, area, count, 1);
	slots_mark(sl, at, count, true);
	*ret_first = at;
	return 0;
}

static uint32_t quarantined_of(const struct slots *sl,
			       const struct slot_file *fl)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < fl->slot_count; i++)
		count += bitmap_test(slots_bad_map(sl), fl->region + i);
	return count;
}

/* Free slots of it are free no more, and quarantined ones are forgotten. */
static void forget_slots(struct slots *sl, struct slot_file *fl, uint32_t bad)
{
	struct slot_area *ar = slots_area(sl, fl->area);

	ar->count.free -= fl->free_count;
	sl->count.free -= fl->free_count;
	ar->count.quarantined -= bad;
	sl->count.quarantined -= bad;
	bitmap_clear_run(slots_free_map(sl), fl->region, fl->slot_count);
	bitmap_clear_run(slots_bad_map(sl), fl->region, fl->slot_count);
	bitmap_clear_run(slots_written_map(sl), fl->region, fl->slot_count);
	runtree_update(&sl->free_runs, fl->region, fl->slot_count);
	count_file(sl, fl->area, fl->slot_count, -1);
}

/* True if no slot of the file is used. */
static bool is_unused(const struct slots *sl, const struct slot_file *fl)
{
	uint32_t rest = fl->slot_count - fl->free_count;

	return rest == 0 ||
	       (rest <= slots_area(sl, fl->area)->count.quarantined &&
		quarantined_of(sl, fl) == rest);
}

uint32_t slots_find_unused(const struct slots *sl, area_id area, uint32_t most,
			   uint32_t *ret_first)
{
	uint32_t size = 0;

	for (file_id id = slots_area(sl, area)->first_file; id != 0;
	     id = slots_file(sl, id)->next) {
		const struct slot_file *fl = slots_file(sl, id);

		if (fl->slot_count > most || fl->slot_count <= size ||
		    !is_unused(sl, fl))
			continue;
		size = fl->slot_count;
		*ret_first = fl->region;
	}
	return size;
}

void slots_remove_file(struct slots *sl, uint32_t first)
{
	file_id id = slots_file_at(sl, first);
	struct slot_file *fl = slots_file(sl, id);
	struct slot_area *ar = slots_area(sl, fl->area);
	file_id *link = &ar->first_file;

	ASSERT(id != 0 && fl->region == first && is_unused(sl, fl));
	while (*link != id)
		link = &slots_file(sl, *link)->next;
	slots_fill_forget(sl, id);
	forget_slots(sl, fl, fl->slot_count - fl->free_count);
	set_regions(sl, fl, 0);
	*link = fl->next;
	if (ar->hint == id)
		ar->hint = ar->first_file;
	*fl = (struct slot_file){ .next = sl->file_free };
	sl->file_free = id;
}
