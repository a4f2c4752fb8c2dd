/* SPDX-License-Identifier: MIT */
/* Whoever makes files for areas: one for each session or named segment, grown
 * before a segment is asked for, given back when it is not needed.  A file that
 * is given back is another one when its numbers are used again, with nothing of
 * what the old one had. */
#include "tests/sim/sim.h"

#include <errno.h>

/* The least that slot numbers are given out in. */
enum { SIM_REGION = 512 };

static struct sim_area *area_of(struct sim *sim, area_id id)
{
	ASSERT(id >= 1 && id <= SIM_AREAS_MAX);
	return &sim->area[id - 1];
}

static bool has_slot(const struct sim_area *ar, uint32_t slot)
{
	for (unsigned i = 0; i < ar->file_count; i++)
		if (slot >= ar->file[i].first &&
		    slot - ar->file[i].first < ar->file[i].count)
			return true;
	return false;
}

bool area_has_slots(const struct sim *sim, uint32_t slot, uint32_t count)
{
	if (sim->profile.config.areas_max == 0)
		return count <= sim->profile.config.slot_count &&
		       slot <= sim->profile.config.slot_count - count;
	for (unsigned i = 0; i < SIM_AREAS_MAX; i++)
		for (unsigned f = 0; f < sim->area[i].file_count; f++) {
			const struct sim_file *fl = &sim->area[i].file[f];

			if (slot >= fl->first && slot - fl->first < fl->count &&
			    count <= fl->count - (slot - fl->first))
				return true;
		}
	return false;
}

static void forget_file(struct sim *sim, struct sim_area *ar, unsigned at)
{
	for (uint32_t i = 0; i < ar->file[at].count; i++) {
		struct sim_slot *sl = &sim->disk.slot[ar->file[at].first + i];

		if (sl->state == SLOT_WRITING || sl->readers != 0)
			sim_fail(sim, "a file ends with slot %u in flight",
				 ar->file[at].first + i);
		sim->disk.bad_slots -= sl->state == SLOT_BAD;
		*sl = (struct sim_slot){ 0 };
	}
	swapstore_discard(sim->disk.store, ar->file[at].first,
			  ar->file[at].count);
	ar->file[at] = ar->file[--ar->file_count];
}

void areas_trim(struct sim *sim)
{
	uint32_t first = 0, count;

	for (area_id id = 1; id <= sim->profile.config.areas_max; id++) {
		struct sim_area *ar = area_of(sim, id);
		unsigned at = 0;

		if (!ar->is_used)
			continue;
		count = pager_area_trim(sim->pager, id, &first);
		if (count == 0)
			continue;
		while (at < ar->file_count && ar->file[at].first != first)
			at++;
		if (at == ar->file_count || ar->file[at].count != count)
			sim_fail(sim, "area %u gives back slots [%u, +%u), "
				 "which is no file of it", id, first, count);
		TRACE(sim, "area %u gives back slots [%u, +%u)", id, first,
		      count);
		forget_file(sim, ar, at);
		sim->events[SIM_AREA_TRIMMED]++;
	}
}

/* A slot that has failed will not be written any more. */
void areas_filled(void *ctx, area_id area, uint32_t first)
{
	struct sim *sim = ctx;
	const struct sim_file *fl = NULL;

	for (unsigned f = 0; f < area_of(sim, area)->file_count; f++)
		if (area_of(sim, area)->file[f].first == first)
			fl = &area_of(sim, area)->file[f];
	if (fl == NULL)
		sim_fail(sim, "no file begins with slot %u", first);
	for (uint32_t i = 0; i < fl->count; i++) {
		const struct sim_slot *sl = &sim->disk.slot[first + i];

		if (!sl->was_written && sl->state != SLOT_BAD)
			sim_fail(sim, "slot %u was never written, and its file "
				 "is filled", first + i);
	}
	sim->events[SIM_AREA_FILLED]++;
}

static int add_file(struct sim *sim, area_id id, uint32_t count)
{
	struct sim_area *ar = area_of(sim, id);
	struct sim_file *fl = &ar->file[ar->file_count];
	uint32_t first = 0;
	int err;

	if (ar->file_count == SIM_FILES_MAX)
		return -ENOSPC;
	err = pager_area_add_file(sim->pager, id, count, &first);
	TRACE(sim, "area %u: a file of %u slots: %d, from %u on", id, count,
	      err, first);
	if (err != 0)
		return err;
	if (area_has_slots(sim, first, 1) ||
	    area_has_slots(sim, first + count - 1, 1))
		sim_fail(sim, "slots [%u, +%u) are of two files", first, count);
	*fl = (struct sim_file){ .first = first, .count = count };
	ar->file_count++;
	sim->events[SIM_AREA_FILES]++;
	return 0;
}

/* With slots to spare, or exactly. */
static int area_grow(struct sim *sim, area_id id, uint64_t units)
{
	uint64_t lacks = pager_area_lacks(sim->pager, id, units);
	uint32_t spare = rng_below(&sim->rng, 3) * (uint32_t)(lacks / 4);
	int err = 0;

	if (lacks > sim->profile.config.slot_count)
		return -ENOSPC;
	while (lacks > 0 && err == 0) {
		uint32_t count = (uint32_t)lacks + spare;

		if (rng_chance(&sim->rng, 1, 2))
			count = 1 + rng_below(&sim->rng, count);
		/* A whole region: the next file may begin right behind. */
		if (rng_chance(&sim->rng, 1, 2))
			count = DIV_ROUND_UP(count, SIM_REGION) * SIM_REGION;
		err = add_file(sim, id, count);
		if (err != 0 && count > lacks)
			err = add_file(sim, id, (uint32_t)lacks);
		lacks = pager_area_lacks(sim->pager, id, units);
	}
	return err;
}

/* Slots that have failed are replaced, as far as there is room. */
void areas_repair(struct sim *sim)
{
	for (area_id id = 1; id <= sim->profile.config.areas_max; id++)
		if (area_of(sim, id)->is_used)
			(void)area_grow(sim, id, 0);
}

/* An area that there is, or another one. */
static area_id area_choose(struct sim *sim)
{
	area_id id = 1 + rng_below(&sim->rng, sim->profile.config.areas_max);
	struct sim_area *ar;
	unsigned used = 0;
	int err;

	if (area_of(sim, id)->is_used)
		return id;
	for (unsigned i = 0; i < SIM_AREAS_MAX; i++)
		used += sim->area[i].is_used;
	err = pager_area_add(sim->pager, &id);
	if (err != 0)
		sim_fail(sim, "area number %u: %d", used + 1, err);
	ar = area_of(sim, id);
	if (ar->is_used)
		sim_fail(sim, "the new area's id %u is not new", id);
	*ar = (struct sim_area){ .is_used = true };
	return id;
}

bool areas_make_room(struct sim *sim, uint64_t units, area_id *ret_area)
{
	*ret_area = 0;
	if (sim->profile.config.areas_max == 0)
		return true;
	*ret_area = area_choose(sim);
	return area_grow(sim, *ret_area, units) == 0;
}

void area_use(struct sim *sim, area_id id)
{
	if (id != 0)
		area_of(sim, id)->segments++;
}

/* With its last segment the area mostly goes, too. */
void area_leave(struct sim *sim, area_id id)
{
	if (id != 0)
		area_of(sim, id)->segments--;
}

void areas_end_unused(struct sim *sim)
{
	for (area_id id = 1; id <= sim->profile.config.areas_max; id++) {
		struct sim_area *ar = area_of(sim, id);

		if (!ar->is_used || ar->segments != 0 ||
		    pager_area_is_filling(sim->pager, id))
			continue;
		TRACE(sim, "area %u ends", id);
		pager_area_remove(sim->pager, id);
		while (ar->file_count > 0)
			forget_file(sim, ar, 0);
		*ar = (struct sim_area){ 0 };
		sim->events[SIM_AREA_ENDED]++;
	}
}

/* Pages go only where their segment's may go. */
void area_must_have(struct sim *sim, const struct sim_segment *sg,
		    uint32_t slot)
{
	if (sg != NULL && sg->area != 0 &&
	    !has_slot(area_of(sim, sg->area), slot))
		sim_fail(sim, "a page of s%u is in slot %u, of another area "
			 "than %u", sg->ordinal, slot, sg->area);
}
