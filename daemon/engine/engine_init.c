/* SPDX-License-Identifier: MIT */
#include "daemon/engine/engine_init.h"

#include "daemon/backing/self_test.h"
#include "daemon/engine/engine_store.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static int make_backing(struct engine *e, const struct config *config,
			bool has_helpers, char *ret_reason, size_t reason_size)
{
	int err = findings_refuse(config, FINDING_capture, capture_self_test(),
				  ret_reason, reason_size);

	e->is_refused_by_kernel = err == -ENOTSUP || err == -EPERM;
	if (err != 0)
		return err;
	err = backing_create((uint32_t)config->max_segments, has_helpers,
			     &e->backing);
	e->is_refused_by_kernel = err == -ENOSYS || err == -EPERM ||
				  err == -EACCES || err == -EOPNOTSUPP;
	return findings_refuse(config, FINDING_userfaultfd, err, ret_reason,
			       reason_size);
}

static int make_staging(struct engine *e, const struct config *config,
			char *ret_reason, size_t reason_size)
{
	e->staging_bytes = (size_t)config->staging_size & ~(size_t)4095;
	e->staging = mmap(NULL, e->staging_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (e->staging != MAP_FAILED)
		return 0;
	e->staging = NULL;
	snprintf(ret_reason, reason_size, "staging_size: %s", strerror(errno));
	return -ENOMEM;
}

static uint32_t share_of(uint32_t frames, uint64_t percent)
{
	uint64_t share = (uint64_t)frames * percent / 100;

	return (uint32_t)MAX(share, 1u);
}

/* How many requests the store handles at once. */
static uint32_t requests_max(const struct engine *e,
			     const struct config *config)
{
	if (strcmp(e->store->ops->name, "sync") == 0)
		return store_sync_threads(e->store);
	return (uint32_t)config->queue_depth;
}

static int make_pager(struct engine *e, const struct config *config,
		      uint32_t accounts_max, char *ret_reason,
		      size_t reason_size)
{
	uint32_t frames = (uint32_t)(config->pool_size / PAGER_UNIT_BYTES);
	struct pager_config pager = {
		.frame_count = frames,
		.slot_count = (uint32_t)(config->swap_size / SWAP_SLOT_BYTES),
		.areas_max = areas_are_used(&e->areas) ? areas_most(config) :
							 0,
		.fills_files = areas_are_used(&e->areas) &&
			       strcmp(config->one_sided, "yes") == 0,
		.segments_max = (uint32_t)config->max_segments,
		.accounts_max = accounts_max,
		.low_watermark = share_of(frames, config->low_watermark),
		.high_watermark = share_of(frames, config->high_watermark),
		.replacement = config->replacement,
		.readahead_max = (uint32_t)config->readahead,
		.requests_max = requests_max(e, config),
		.staging = e->staging,
		.staging_bytes = e->staging_bytes,
	};
	int err;

	/* In a small pool, rounding must not make the two equal. */
	pager.high_watermark = MAX(pager.high_watermark,
				   pager.low_watermark + 1);
	err = pager_create(&pager, &engine_pager_ops, e, e->up, e->up_ctx,
			   &e->pager);
	if (err != 0)
		snprintf(ret_reason, reason_size, "pager: %s", strerror(-err));
	return err;
}

static void on_room_changed(void *ctx)
{
	struct engine *e = ctx;

	e->hooks->room_changed(e->ctx);
}

static void on_file_ends(void *ctx, struct area *area,
			 const struct area_file *file)
{
	struct engine *e = ctx;

	e->hooks->file_ends(e->ctx, area, file);
}

static void start_areas(struct engine *e, const struct engine_setup *setup)
{
	if (!areas_are_used(&e->areas))
		return;
	areas_use(&e->areas, e->pager, e->store);
	areas_start(&e->areas, setup->deferred, on_room_changed, on_file_ends,
		    e);
}

int engine_init(struct engine *e, const struct engine_setup *setup,
		char *ret_reason, size_t reason_size)
{
	const struct config *config = setup->config;
	int err;

	*e = (struct engine){
		.hooks = setup->hooks,
		.ctx = setup->ctx,
		.up = setup->callbacks,
		.up_ctx = setup->callbacks_ctx,
	};
	err = findings_refuse(config, FINDING_memory, -ENOMEM, ret_reason,
			      reason_size);
	if (err == 0)
		err = make_backing(e, config, !setup->is_embedded,
				   ret_reason, reason_size);
	if (err == 0)
		err = make_staging(e, config, ret_reason, reason_size);
	if (err == 0)
		err = engine_store_create(e, config, !setup->is_embedded,
					  ret_reason, reason_size);
	if (err == 0)
		err = make_pager(e, config, setup->accounts_max, ret_reason,
				 reason_size);
	if (err == 0)
		start_areas(e, setup);
	if (err != 0)
		engine_fini(e);
	return err;
}

void engine_fini(struct engine *e)
{
	bool is_refused = e->is_refused_by_kernel;

	if (e->is_watching) {
		event_del(&e->store_event);
		event_del(&e->capture_event);
		if (areas_are_used(&e->areas)) {
			event_del(&e->areas_event);
			event_del(&e->ends_event);
		}
		event_del(&e->background);
	}
	engine_store_destroy(e);
	if (e->pager != NULL) {
		/* Check the tables one last time, so that an error does not go
		 * unnoticed. */
		pager_check(e->pager);
		pager_destroy(e->pager);
	}
	if (e->staging != NULL)
		munmap(e->staging, e->staging_bytes);
	backing_destroy(e->backing);
	*e = (struct engine){ .is_refused_by_kernel = is_refused };
}
