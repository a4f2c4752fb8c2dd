/* SPDX-License-Identifier: MIT */
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

/* An area that has no more than this keeps files that it does not need, until
 * they are the room that another one lacks. */
enum { KEPT_SLOTS = 4096 };

static void run_sweep(void *ctx);

int areas_open(struct areas *as, const struct config *config, char *ret_reason,
	       size_t reason_size)
{
	int err;

	*as = (struct areas){
		.dir = { .fd = -1 },
		.limit_slots = config->swap_size / SWAP_SLOT_BYTES,
		.has_pieces = strcmp(config->one_sided, "yes") == 0,
		.sweep = { .run = run_sweep, .ctx = as },
	};
	TAILQ_INIT(&as->list);
	TAILQ_INIT(&as->touched);
	TAILQ_INIT(&as->late);
	TAILQ_INIT(&as->kept);
	as->by_id = calloc((size_t)areas_most(config) + 1,
			   sizeof(struct area *));
	if (as->by_id == NULL) {
		snprintf(ret_reason, reason_size, "swap_dir: no memory");
		return -ENOMEM;
	}
	err = swapdir_open(config->swap_dir, &as->dir, ret_reason,
			   reason_size);
	if (err != 0) {
		free(as->by_id);
		return err;
	}
	err = file_maker_create(&as->dir, &as->maker);
	if (err != 0) {
		snprintf(ret_reason, reason_size, "swap_dir: no thread for its "
			 "files: %s", strerror(-err));
		swapdir_close(&as->dir);
		free(as->by_id);
	}
	return err;
}

void areas_use(struct areas *as, struct pager *pager, struct swapstore *store)
{
	as->pager = pager;
	as->store = store;
}

void areas_start(struct areas *as, struct deferred *deferred,
		 void (*changed)(void *ctx),
		 void (*file_ends)(void *ctx, struct area *area,
				   const struct area_file *file),
		 void *ctx)
{
	as->deferred = deferred;
	as->changed = changed;
	as->file_ends = file_ends;
	as->ctx = ctx;
}

static void area_set_kept(struct area *area, bool is_kept)
{
	if (is_kept && !area->is_kept)
		TAILQ_INSERT_TAIL(&area->all->kept, area, kept_link);
	else if (!is_kept && area->is_kept)
		TAILQ_REMOVE(&area->all->kept, area, kept_link);
	area->is_kept = is_kept;
}

static void area_free(struct area *area)
{
	area_set_kept(area, false);
	TAILQ_REMOVE(&area->all->list, area, link);
	area->all->by_id[area->id] = NULL;
	area->all->count--;
	free(area->files);
	free(area);
}

void areas_close(struct areas *as)
{
	struct area *area;

	if (as->maker == NULL)
		return;
	while ((area = TAILQ_FIRST(&as->list)) != NULL) {
		for (uint32_t i = 0; i < area->file_count; i++)
			(void)close(area->files[i].fd);
		area_free(area);
	}
	free(as->by_id);
	as->by_id = NULL;
	file_maker_destroy(as->maker);
	as->maker = NULL;
	swapdir_close(&as->dir);
}

/* One for each segment, and two for each session: its small segments', and the
 * one that is made ready.  Some more for those of sessions that are gone, while
 * their segments are removed or their files made. */
uint32_t areas_most(const struct config *config)
{
	return (uint32_t)(config->max_segments + 4 * config->max_sessions) +
	       1024;
}

/* ---- areas */

struct area *area_create(struct areas *as)
{
	struct area *area = calloc(1, sizeof(*area));

	if (area == NULL || pager_area_add(as->pager, &area->id) != 0) {
		free(area);
		return NULL;
	}
	area->all = as;
	area->holders = 1;
	LIST_INIT(&area->users);
	TAILQ_INSERT_TAIL(&as->list, area, link);
	as->by_id[area->id] = area;
	as->count++;
	return area;
}

void area_hold(struct area *area)
{
	area->holders++;
}

static void area_touch(struct area *area)
{
	struct areas *as = area->all;

	if (!area->is_touched)
		TAILQ_INSERT_TAIL(&as->touched, area, touched_link);
	area->is_touched = true;
	defer(as->deferred, &as->sweep);
}

/* Also what has still holders may have a file too many now. */
void area_put(struct area *area)
{
	ASSERT(area->holders > 0);
	area->holders--;
	area_touch(area);
}

/* ---- files that end */

static void forget_promise(struct areas *as, uint32_t slot_count)
{
	as->promised_slots -= slot_count;
	as->file_count--;
}

/* F1: the file is out of the list, and its slots out of the pager.  Without
 * memory for the job the file is closed here. */
static void end_file(struct areas *as, struct area *area, uint32_t at)
{
	struct area_file file = area->files[at];
	struct file_job *job = calloc(1, sizeof(*job));

	if (file.is_filled && as->file_ends != NULL)
		as->file_ends(as->ctx, area, &file);

	area->files[at] = area->files[--area->file_count];
	swapstore_remove_file(as->store, file.first, file.slot_count);
	if (job == NULL) {
		(void)close(file.fd);
		forget_promise(as, file.slot_count);
		return;
	}
	as->ending_slots += file.slot_count;
	*job = (struct file_job){
		.is_end = true, .slot_count = file.slot_count, .fd = file.fd,
	};
	file_maker_add(as->maker, job);
}

uint32_t area_file_at(const struct area *area, uint32_t first)
{
	uint32_t at = 0;

	while (at < area->file_count && area->files[at].first != first)
		at++;
	ASSERT(at < area->file_count);
	return at;
}

static void trim(struct areas *as, struct area *area, uint32_t keep_slots)
{
	struct area_info info;
	uint32_t first = 0;

	for (;;) {
		pager_area_get(as->pager, area->id, &info);
		if (info.slot_count <= keep_slots ||
		    pager_area_trim(as->pager, area->id, &first) == 0)
			break;
		end_file(as, area, area_file_at(area, first));
	}
	area_set_kept(area, keep_slots != 0 &&
			    info.slot_count > info.committed_units);
}

/* The other areas give up what they do not need. */
static void reclaim(struct areas *as, const struct area *except)
{
	struct area *area = TAILQ_FIRST(&as->kept), *next;

	for (; area != NULL; area = next) {
		next = TAILQ_NEXT(area, kept_link);
		if (area != except)
			trim(as, area, 0);
	}
}

static void end_area(struct areas *as, struct area *area)
{
	pager_area_remove(as->pager, area->id);
	while (area->file_count > 0)
		end_file(as, area, area->file_count - 1);
	area_free(area);
}

/* It is being filled: see areas_sweep_again(). */
static void put_off(struct areas *as, struct area *area)
{
	area->is_touched = true;
	TAILQ_INSERT_TAIL(&as->late, area, touched_link);
}

static void run_sweep(void *ctx)
{
	struct areas *as = ctx;
	struct area *area;

	while ((area = TAILQ_FIRST(&as->touched)) != NULL) {
		TAILQ_REMOVE(&as->touched, area, touched_link);
		area->is_touched = false;
		if (area->holders != 0)
			trim(as, area, KEPT_SLOTS);
		else if (pager_area_is_filling(as->pager, area->id))
			put_off(as, area);
		else if (!area->is_growing)
			end_area(as, area);
	}
	/* Some may wait for what it would find. */
	as->changed(as->ctx);
}

/* ---- files that are made */

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

static int area_grow(struct area *area, uint64_t lacks, char *ret_reason,
		     size_t reason_size)
{
	struct areas *as = area->all;
	uint32_t slots = next_file(area, lacks);
	struct file_job *job;

	if (slots == 0) {
		reclaim(as, area);
		slots = next_file(area, lacks);
	}
	if (slots == 0 && (as->ending_slots != 0 ||
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
	area->is_growing = true;
	area->is_surplus = false;
	file_maker_add(as->maker, job);
	return -EINPROGRESS;
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
	return area_grow(area, lacks, ret_reason, reason_size);
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
			 const struct file_job *job)
{
	struct area_file file = { .slot_count = job->slot_count,
				  .fd = job->fd };
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

static void take_made(struct areas *as, struct file_job *job)
{
	struct area *area = job->owner;
	int err = job->error;

	area->is_growing = false;
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
		forget_promise(as, job->slot_count);
		if (job->fd >= 0)
			(void)close(job->fd);
	}
	/* F3: perhaps nobody waits for it any more.  While somebody does, the
	 * sweep would end it, before it is used. */
	if (area->holders == 0 || area->is_surplus)
		area_touch(area);
}

void areas_reap(struct areas *as)
{
	struct file_job *job;
	bool is_any = false;

	while ((job = file_maker_take(as->maker)) != NULL) {
		is_any = true;
		if (job->is_end && job->map == NULL) {
			as->ending_slots -= job->slot_count;
			forget_promise(as, job->slot_count);
		} else if (!job->is_end) {
			take_made(as, job);
		}
		free(job);
	}
	if (is_any && as->changed != NULL)
		as->changed(as->ctx);
}

void areas_sweep_again(struct areas *as)
{
	struct area *area;

	if (as->maker == NULL)
		return;
	while ((area = TAILQ_FIRST(&as->late)) != NULL) {
		TAILQ_REMOVE(&as->late, area, touched_link);
		area->is_touched = false;
		area_touch(area);
	}
}

/* A walk over all areas, but only when more slots have failed. */
void areas_repair(struct areas *as)
{
	struct pager_stats stats;
	char ignored[FILE_REASON_BYTES];
	struct area *area;

	if (as->maker == NULL)
		return;
	pager_stats_get(as->pager, &stats);
	if (stats.quarantined_slots <= as->quarantined_slots)
		return;
	as->quarantined_slots = stats.quarantined_slots;
	TAILQ_FOREACH(area, &as->list, link)
		(void)!area_make_room(area, 0, ignored, sizeof(ignored));
}
