/* SPDX-License-Identifier: MIT */
/* Areas: where the pages of a segment may go.  A page leaves only to a slot of
 * its segment's area, so each area must have a slot for each page that it owes
 * one:
 *
 *   committed + quarantined <= all, when a segment is admitted */
#include "daemon/pager/tables.h"

#include <errno.h>

uint32_t pager_slot_limit(const struct pager_config *config)
{
	return config->areas_max == 0 ? config->slot_count :
		slots_numbers(config->slot_count, config->areas_max);
}

int pager_area_add(struct pager *pg, area_id *ret_area)
{
	ASSERT(pg->config.areas_max != 0);
	*ret_area = slots_add_area(&pg->slots);
	return *ret_area != 0 ? 0 : -EAGAIN;
}

bool pager_area_is_filling(const struct pager *pg, area_id area)
{
	const struct batch *b = &pg->batch[pg->fill_batch];

	return pg->fill_batch != 0 &&
	       slots_file_area(&pg->slots, b->slot[0] - 1) == area;
}

void pager_area_remove(struct pager *pg, area_id area)
{
	ASSERT(pg->config.areas_max != 0);
	slots_remove_area(&pg->slots, area);
}

uint64_t pager_area_lacks(const struct pager *pg, area_id area, uint64_t units)
{
	const struct slot_area *ar = slots_area(&pg->slots, area);
	uint64_t owed = ar->committed_units + units + ar->count.quarantined;

	return owed - MIN(owed, (uint64_t)ar->count.all);
}

int pager_area_add_file(struct pager *pg, area_id area, uint32_t slot_count,
			uint32_t *ret_first)
{
	ASSERT(pg->config.areas_max != 0);
	if (slot_count > pg->config.slot_count - pg->slots.count.all)
		return -ENOSPC;
	return slots_add_file(&pg->slots, area, slot_count, ret_first);
}

void pager_area_remove_file(struct pager *pg, uint32_t first)
{
	ASSERT(pg->config.areas_max != 0);
	slots_remove_file(&pg->slots, first);
}

uint32_t pager_area_trim(struct pager *pg, area_id area, uint32_t *ret_first)
{
	const struct slot_area *ar = slots_area(&pg->slots, area);
	uint64_t owed = ar->committed_units + ar->count.quarantined;
	uint32_t count;

	if (ar->count.all <= owed)
		return 0;
	count = slots_find_unused(&pg->slots, area,
				  (uint32_t)(ar->count.all - owed), ret_first);
	if (count != 0)
		slots_remove_file(&pg->slots, *ret_first);
	return count;
}

void pager_area_get(const struct pager *pg, area_id area,
		    struct area_info *ret_info)
{
	const struct slot_area *ar = slots_area(&pg->slots, area);

	*ret_info = (struct area_info){
		.slot_count = ar->count.all,
		.free_slots = ar->count.free,
		.quarantined_slots = ar->count.quarantined,
		.committed_units = ar->committed_units,
	};
}
