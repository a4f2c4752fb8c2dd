/* SPDX-License-Identifier: MIT */
/* Which slots were written once, and which files are to be filled. */
#include "daemon/pager/slots.h"

#include "common/bitmap.h"

/* A file is queued when this part of it was written by evictions.  They may
 * never come to the rest: next-fit leaves gaps that no run of pages fits into,
 * and the last file of an area has room to spare. */
enum { WRITTEN_PART = 4 };

static void queue_file(struct slots *sl, file_id id)
{
	struct slot_file *fl = slots_file(sl, id);

	if (fl->is_queued)
		return;
	fl->is_queued = true;
	fl->fill_end = fl->region + fl->slot_count;
	fl->queue_next = sl->filling;
	sl->filling = id;
}

void slots_fill_forget(struct slots *sl, file_id id)
{
	struct slot_file *fl = slots_file(sl, id);
	file_id *link = &sl->filling;

	if (!fl->is_queued)
		return;
	while (*link != id)
		link = &slots_file(sl, *link)->queue_next;
	*link = fl->queue_next;
	fl->is_queued = false;
}

bool slots_note_written(struct slots *sl, slot_id slot, uint32_t *ret_file)
{
	file_id id = slots_file_at(sl, slot - 1);
	struct slot_file *fl = slots_file(sl, id);
	uint32_t left;

	if (bitmap_test(slots_written_map(sl), slot - 1))
		return false;
	bitmap_set_run(slots_written_map(sl), slot - 1, 1);
	left = fl->slot_count - ++fl->written_count;
	if (left != 0) {
		if (fl->written_count >= fl->slot_count / WRITTEN_PART)
			queue_file(sl, id);
		return false;
	}
	slots_fill_forget(sl, id);
	*ret_file = fl->region;
	return true;
}

bool slots_is_filled(const struct slots *sl, uint32_t first)
{
	const struct slot_file *fl = slots_file(sl, slots_file_at(sl, first));

	return fl->written_count == fl->slot_count;
}

area_id slots_file_area(const struct slots *sl, uint32_t first)
{
	return slots_file(sl, slots_file_at(sl, first))->area;
}

static bool is_wanted(const struct slots *sl, uint32_t idx)
{
	return bitmap_test(slots_free_map(sl), idx) &&
	       !bitmap_test(slots_written_map(sl), idx);
}

/* From the end, because evictions begin at the start. */
static uint32_t find_unwritten(const struct slots *sl,
			       struct slot_file *fl, uint32_t most,
			       uint32_t *ret_first)
{
	uint32_t end = fl->fill_end, count = 0;

	while (end > fl->region && !is_wanted(sl, end - 1))
		end--;
	while (end - count > fl->region && count < most &&
	       is_wanted(sl, end - 1 - count))
		count++;
	*ret_first = fl->fill_end = end - count;
	return count;
}

/* A slot that is unwritten and not free is being written.  After that, its file
 * is queued again if other slots are still unwritten. */
uint32_t slots_take_unwritten(struct slots *sl, uint32_t most,
			      slot_id *ret_first)
{
	while (sl->filling != 0) {
		file_id id = sl->filling;
		struct slot_file *fl = slots_file(sl, id);
		uint32_t first, count = find_unwritten(sl, fl, most, &first);

		if (count == 0) {
			slots_fill_forget(sl, id);
			continue;
		}
		slots_mark(sl, first, count, false);
		sl->count.used += count;
		slots_area(sl, fl->area)->count.used += count;
		slots_chain_run(sl, first + 1, count);
		*ret_first = first + 1;
		return count;
	}
	return 0;
}
