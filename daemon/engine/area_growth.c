/* SPDX-License-Identifier: MIT */
/* How areas grow: which file is made next, and what becomes of it. */
#include "daemon/engine/areas.h"

#include "common/log.h"
#include "common/units.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file of a new area is this much larger than needed, so that pages which
 * are evicted together lie together, while not more than three quarters of
 * swap_size are promised. */
enum { SPARE_PART = 4, AREA_PIECES = 8, PIECE_SLOTS = 4096 };

static uint64_t round_up(uint64_t slots)
{
	return DIV_ROUND_UP(slots, SWAP_FILE_SLOTS) * SWAP_FILE_SLOTS;
}

static uint64_t room_for(const struct areas *as, uint64_t slots)
{
	return as->promised_slots + slots <= as->limit_slots ? slots : 0;
}

/* Programs read a file when each slot was written once.  So an area gets
 * several, which fill one after the other. */
static uint64_t largest_file(const struct area *area, uint64_t all_slots)
{
	uint64_t most = SWAPDIR_FILE_BYTES_MAX / SWAP_SLOT_BYTES;

	if (!area->all->has_pieces)
		return most;
	return MIN(most, MAX(round_up(all_slots / AREA_PIECES),
			     (uint64_t)PIECE_SLOTS));
}

/* How many slots the next file of the area should have; 0: there is no room for
 * all that it lacks, in one file or more. */
static uint32_t next_file(const struct area *area, uint64_t lacks)
{
	const struct areas *as = area->all;
	uint64_t most, spare, ample;
	struct area_info info;

	pager_area_get(as->pager, area->id, &info);
	spare = (info.slot_count + lacks) / SPARE_PART;
	most = largest_file(area, info.slot_count + lacks + spare);
	ample = round_up(lacks + spare);

	if (room_for(as, round_up(lacks)) == 0)
		return 0;
	if (lacks > most)
		lacks = ample = most;
	if (as->promised_slots + ample > as->limit_slots / 4 * 3)
		ample = lacks;
	return (uint32_t)MIN(MAX(room_for(as, round_up(MIN(ample, most))),
				 room_for(as, round_up(lacks))), most);
}

static void explain_full(const struct areas *as, uint64_t lacks, char *text,
			 size_t size)
{
	char want[16], used[16], limit[16];

	snprintf(text, size, "no room for %s more in swap: its files have %s "
		 "of %s; make swap_size larger",
		 units_format_size(lacks * SWAP_SLOT_BYTES, want,
				   sizeof(want)),
		 units_format_size(as->promised_slots * SWAP_SLOT_BYTES, used,
				   sizeof(used)),
		 units_format_size(as->limit_slots * SWAP_SLOT_BYTES, limit,
				   sizeof(limit)));
}

/* Some room will be there when files have ended. */
static bool is_some_coming(const struct areas *as)
{
	return as->ending_slots != file_ender_overdue_slots(as->ender);
}

static int area_grow(struct area *area, uint64_t lacks, char *ret_reason,
		     size_t reason_size)
{
	struct areas *as = area->all;
	uint32_t slots = next_file(area, lacks);
	struct file_job *job;

	if (slots == 0) {
		areas_reclaim(as, area);
		slots = next_file(area, lacks);
	}
	if (slots == 0 && (is_some_coming(as) ||
			   !TAILQ_EMPTY(&as->touched) ||
			   !TAILQ_EMPTY(&as->late)))
		return -EINPROGRESS;
	if (slots == 0) {
		explain_full(as, lacks, ret_reason, reason_size);
		return -ENOSPC;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		snprintf(ret_reason, reason_size, "no memory");
		return -ENOMEM;
	}
	*job = (struct file_job){
		.slot_count = slots, .owner = area, .fd = -1,
	};
	as->promised_slots += slots;
	as->file_count++;
	area->payer->growing_count++;
	area->is_growing = true;
	area->is_surplus = false;
	file_maker_add(as->maker, job);
	return -EINPROGRESS;
}

/* F4 */
static bool must_wait(const struct area *area)
{
	return area->payer->growing_count != 0 ||
	       file_payer_is_ending(area->payer);
}

int area_make_room(struct area *area, uint64_t units, char *ret_reason,
		   size_t reason_size)
{
	uint64_t lacks = pager_area_lacks(area->all->pager, area->id, units);
	int err = area->error;

	if (area->is_growing && lacks != 0)
		return -EINPROGRESS;
	area->error = 0;
	if (lacks == 0) {
		area->is_surplus |= area->is_growing;
		return 0;
	}
	if (err != 0) {
		snprintf(ret_reason, reason_size, "%s", area->reason);
		return err;
	}
	return must_wait(area) ? -EINPROGRESS :
		area_grow(area, lacks, ret_reason, reason_size);
}

static bool reserve_entry(struct area *area)
{
	struct area_file *files = area->files;

	if (area->file_count < area->file_room)
		return true;
	files = realloc(files, (area->file_room + 4) * sizeof(*files));
	if (files == NULL)
		return false;
	area->files = files;
	area->file_room += 4;
	return true;
}

/* Returns 0 or -errno; then the file is still the job's. */
static int add_made_file(struct areas *as, struct area *area,
			 struct file_job *job)
{
	struct area_file file = { .slot_count = job->slot_count,
				  .fd = job->fd, .job = job };
	int err;

	if (!reserve_entry(area))
		return -ENOMEM;
	err = pager_area_add_file(as->pager, area->id, file.slot_count,
				  &file.first);
	if (err != 0)
		return err;
	err = swapstore_add_file(as->store, file.first, file.slot_count,
				 file.fd);
	if (err != 0)
		pager_area_remove_file(as->pager, file.first);
	else
		area->files[area->file_count++] = file;
	return err;
}

void area_take_made(struct areas *as, struct file_job *job)
{
	struct area *area = job->owner;
	int err = job->error;

	area->is_growing = false;
	area->payer->growing_count--;
	if (err == 0) {
		err = add_made_file(as, area, job);
		if (err != 0)
			snprintf(job->reason, sizeof(job->reason), "swap_dir: "
				 "a file of %u slots cannot be used: %s",
				 job->slot_count, strerror(-err));
	}
	if (err != 0) {
		log_event(LOG_LEVEL_WARNING, "swap-file", "error=%d "
			  "reason=\"%s\"", -err, job->reason);
		area->error = err;
		snprintf(area->reason, sizeof(area->reason), "%s",
			 job->reason);
		areas_forget_promise(as, job->slot_count);
		if (job->fd >= 0)
			(void)close(job->fd);
		free(job);
	}
	/* F3: perhaps nobody waits for it any more.  While somebody does, the
	 * sweep would end it, before it is used. */
	if (area->holders == 0 || area->is_surplus)
		area_touch(area);
}
