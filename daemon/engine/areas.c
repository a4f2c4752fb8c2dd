/* SPDX-License-Identifier: MIT */
#include "daemon/engine/areas.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An area that has no more than this keeps files that it does not need, until
 * they are the room that another one lacks. */
enum { KEPT_SLOTS = 4096 };

static void run_sweep(void *ctx);

/* Its helper process comes before the maker's thread. */
static int make_helpers(struct areas *as, bool has_helpers, char *ret_reason,
			size_t reason_size)
{
	int err = file_ender_create(has_helpers && as->has_pieces, &as->ender);

	if (err == 0)
		err = file_maker_create(&as->dir, &as->maker);
	if (err == 0)
		return 0;
	file_ender_destroy(as->ender);
	snprintf(ret_reason, reason_size, "swap_dir: no thread or helper "
		 "process for its files: %s", strerror(-err));
	return err;
}

int areas_open(struct areas *as, const struct config *config, bool has_helpers,
	       char *ret_reason, size_t reason_size)
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
	err = make_helpers(as, has_helpers, ret_reason, reason_size);
	if (err != 0) {
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
	file_ender_put_payer(area->payer);
	free(area->files);
	free(area);
}

void areas_close(struct areas *as)
{
	struct area *area;

	if (as->maker == NULL)
		return;
	while ((area = TAILQ_FIRST(&as->list)) != NULL) {
		for (uint32_t i = 0; i < area->file_count; i++) {
			(void)close(area->files[i].fd);
			free(area->files[i].job);
		}
		area->payer->growing_count -= area->is_growing;
		area_free(area);
	}
	free(as->by_id);
	as->by_id = NULL;
	file_maker_destroy(as->maker);
	as->maker = NULL;
	file_ender_destroy(as->ender);
	as->ender = NULL;
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

struct area *area_create(struct areas *as, uint32_t user)
{
	struct file_payer *payer = file_ender_get_payer(as->ender, user);
	struct area *area = payer == NULL ? NULL : calloc(1, sizeof(*area));

	if (area == NULL || pager_area_add(as->pager, &area->id) != 0) {
		if (payer != NULL)
			file_ender_put_payer(payer);
		free(area);
		return NULL;
	}
	area->payer = payer;
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

void area_touch(struct area *area)
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

void areas_forget_promise(struct areas *as, uint32_t slot_count)
{
	as->promised_slots -= slot_count;
	as->file_count--;
}

/* F1: the file is out of the list, and its slots out of the pager. */
static void end_file(struct areas *as, struct area *area, uint32_t at)
{
	struct area_file file = area->files[at];
	struct file_job *job = file.job;

	if (file.is_filled && as->file_ends != NULL)
		as->file_ends(as->ctx, area, &file);

	area->files[at] = area->files[--area->file_count];
	swapstore_remove_file(as->store, file.first, file.slot_count);
	as->ending_slots += file.slot_count;
	*job = (struct file_job){
		.is_end = true, .slot_count = file.slot_count, .fd = file.fd,
	};
	if (file.is_handed_out && file_ender_is_used(as->ender))
		file_ender_add(as->ender, area->payer, job);
	else
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

void areas_reclaim(struct areas *as, const struct area *except)
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

/* ---- what is done elsewhere */

void areas_reap(struct areas *as)
{
	struct file_job *job;
	bool is_any = false;

	while ((job = file_maker_take(as->maker)) != NULL) {
		is_any = true;
		if (job->is_end && job->map == NULL) {
			as->ending_slots -= job->slot_count;
			areas_forget_promise(as, job->slot_count);
		} else if (!job->is_end) {
			area_take_made(as, job);
			continue;
		}
		free(job);
	}
	if (is_any && as->changed != NULL)
		as->changed(as->ctx);
}

/* They have no blocks: what is left is to close them. */
static void pass_ended(struct areas *as)
{
	struct file_job *job;

	while ((job = file_ender_take(as->ender)) != NULL)
		file_maker_add(as->maker, job);
}

void areas_reap_ends(struct areas *as)
{
	file_ender_reap(as->ender);
	pass_ended(as);
}

void areas_poll(struct areas *as)
{
	if (as->maker == NULL)
		return;
	/* Requests that have waited for files that are held up are refused. */
	if (file_ender_poll(as->ender))
		as->changed(as->ctx);
	pass_ended(as);
}

bool areas_are_held_up(const struct areas *as, uint32_t user)
{
	return as->maker != NULL && file_ender_is_held_up(as->ender, user);
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
	bool is_put_off = false;
	struct area *area;

	if (as->maker == NULL)
		return;
	pager_stats_get(as->pager, &stats);
	if (stats.quarantined_slots <= as->quarantined_slots)
		return;
	TAILQ_FOREACH(area, &as->list, link)
		is_put_off |= area_make_room(area, 0, ignored,
					     sizeof(ignored)) == -EINPROGRESS &&
			      !area->is_growing;
	if (!is_put_off)
		as->quarantined_slots = stats.quarantined_slots;
}
