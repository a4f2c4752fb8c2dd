/* SPDX-License-Identifier: MIT */
#include "daemon/engine/engine.h"

#include "common/clock.h"
#include "daemon/engine/engine_store.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
	REAP_BATCH = 64,
	RETRY_MS = 10,		/* the system had no memory, or its queue
				 * was full */
};

/* Background work goes before new requests once it has waited this long: a
 * flood of requests must not keep the pager from freeing frames. */
#define STARVED_NS	UINT64_C(2000000)

/* ---- what the pager asks for */

static int op_install(void *ctx, segment_id segment, uint64_t unit,
		      uint64_t count, const void *bytes)
{
	struct engine *e = ctx;

	return backing_install(e->backing, segment, unit, count, bytes);
}

static int op_install_for(void *ctx, uint64_t cookie, segment_id segment,
			  uint64_t unit, uint64_t count, const void *bytes)
{
	struct engine *e = ctx;

	if (e->hooks->install(e->ctx, cookie, bytes, count * PAGER_UNIT_BYTES))
		return 0;
	return backing_install(e->backing, segment, unit, count, bytes);
}

static void op_capture(void *ctx, struct pager_capture *capture,
		       unsigned count)
{
	struct engine *e = ctx;

	backing_capture(e->backing, capture, count);
}

static int op_discard(void *ctx, segment_id segment, uint64_t unit,
		      uint64_t count)
{
	struct engine *e = ctx;

	return backing_discard(e->backing, segment, unit, count);
}

static bool op_shed(void *ctx, segment_id segment, uint32_t *budget)
{
	struct engine *e = ctx;

	return backing_shed(e->backing, segment, budget);
}

static void op_segment_gone(void *ctx, segment_id segment)
{
	struct engine *e = ctx;

	e->hooks->segment_gone(e->ctx, segment);
}

static int op_submit(void *ctx, const struct swap_io *io)
{
	struct engine *e = ctx;
	int err = swapstore_submit(e->store, io);

	if (err == -EAGAIN) {
		e->submit_retries++;
		if (swapstore_flush(e->store) != 0)
			return -EAGAIN;
		err = swapstore_submit(e->store, io);
	}
	if (err == 0)
		e->must_flush = true;
	else if (err == -EAGAIN)
		e->was_refused = true;
	return err;
}

static void op_discard_slots(void *ctx, uint32_t slot, uint32_t count)
{
	struct engine *e = ctx;

	swapstore_discard(e->store, slot, count);
}

static bool op_is_slot_lost(void *ctx, uint32_t slot)
{
	const struct engine *e = ctx;

	return swapstore_has_lost(e->store, slot);
}

static void op_reply(void *ctx, const struct pager_reply *reply)
{
	struct engine *e = ctx;

	e->hooks->reply(e->ctx, reply);
}

static void op_ready(void *ctx, uint32_t client, segment_id segment,
		     uint64_t first, uint64_t count, uint64_t mark)
{
	struct engine *e = ctx;

	e->hooks->ready(e->ctx, client, segment, first, count, mark);
}

static void op_age(void *ctx, segment_id segment, uint64_t first,
		   uint64_t count)
{
	struct engine *e = ctx;

	e->hooks->age(e->ctx, segment, first, count);
}

static void op_done(void *ctx, uint64_t cookie, int result, uint64_t count)
{
	struct engine *e = ctx;

	e->hooks->done(e->ctx, cookie, result, count);
}

static const struct pager_ops ops = {
	.install = op_install,
	.install_for = op_install_for,
	.capture = op_capture,
	.discard = op_discard,
	.shed = op_shed,
	.segment_gone = op_segment_gone,
	.submit = op_submit,
	.discard_slots = op_discard_slots,
	.is_slot_lost = op_is_slot_lost,
	.reply = op_reply,
	.ready = op_ready,
	.age = op_age,
	.done = op_done,
};

/* ---- making it */

static int make_backing(struct engine *e, const struct config *config,
			bool has_helpers, char *ret_reason, size_t reason_size)
{
	int err = backing_create((uint32_t)config->max_segments, has_helpers,
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

/* How many requests the store works on at once. */
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
		.slot_count = e->store->slot_count,
		.segments_max = (uint32_t)config->max_segments,
		.accounts_max = accounts_max,
		.faults_max = (uint32_t)config->max_faults,
		.low_watermark = share_of(frames, config->low_watermark),
		.high_watermark = share_of(frames, config->high_watermark),
		.readahead_max = (uint32_t)config->readahead,
		.requests_max = requests_max(e, config),
		.staging = e->staging,
		.staging_bytes = e->staging_bytes,
	};
	int err;

	/* Small pools: rounding must not make the two equal. */
	pager.high_watermark = MAX(pager.high_watermark,
				   pager.low_watermark + 1);
	err = pager_create(&pager, &ops, e, &e->pager);
	if (err != 0)
		snprintf(ret_reason, reason_size, "pager: %s", strerror(-err));
	return err;
}

int engine_init(struct engine *e, const struct config *config,
		bool is_embedded, uint32_t accounts_max,
		const struct engine_hooks *hooks, void *ctx, char *ret_reason,
		size_t reason_size)
{
	int err;

	*e = (struct engine){ .hooks = hooks, .ctx = ctx };
	err = findings_refuse(config, FINDING_memory, -ENOMEM, ret_reason,
			      reason_size);
	if (err == 0)
		err = make_backing(e, config, !is_embedded, ret_reason,
				   reason_size);
	if (err == 0)
		err = make_staging(e, config, ret_reason, reason_size);
	if (err == 0)
		err = engine_store_create(e, config, ret_reason, reason_size);
	if (err == 0)
		err = make_pager(e, config, accounts_max, ret_reason,
				 reason_size);
	if (err != 0)
		engine_fini(e);
	return err;
}

void engine_fini(struct engine *e)
{
	bool is_refused = e->is_refused_by_kernel;

	if (e->is_watching) {
		event_del(&e->store_event);
		event_del(&e->background);
	}
	engine_store_destroy(e);
	if (e->pager != NULL) {
		/* The last chance to learn that a table was wrong all along. */
		pager_check(e->pager);
		pager_destroy(e->pager);
	}
	if (e->staging != NULL)
		munmap(e->staging, e->staging_bytes);
	backing_destroy(e->backing);
	*e = (struct engine){ .is_refused_by_kernel = is_refused };
}

/* ---- taking part in the loop */

unsigned engine_reap(struct engine *e)
{
	struct swap_done done[REAP_BATCH];
	unsigned total = 0, count;

	do {
		uint64_t now_ns = clock_now_ns();

		count = swapstore_reap(e->store, done, REAP_BATCH);
		for (unsigned i = 0; i < count; i++)
			pager_io_done(e->pager, done[i].cookie, done[i].result,
				      now_ns);
		total += count;
	} while (count == REAP_BATCH && total < 4 * REAP_BATCH);
	if (total != 0)
		e->wants_run = true;
	return total;
}

static void schedule(struct engine *e, unsigned delay_ms)
{
	struct timeval delay = { .tv_usec = (suseconds_t)delay_ms * 1000 };

	if (e->is_watching)
		(void)event_add(&e->background, &delay);
}

static void run(struct engine *e)
{
	uint64_t now_ns = clock_now_ns();

	e->last_run_ns = now_ns;
	e->was_refused = false;
	e->wants_run = pager_run(e->pager, now_ns);
}

/* Something waits that no completion will bring along: memory the system did
 * not have, a full submission queue, or room in a store where what is in
 * flight waits for something else (a mirror's reads for the other child). */
static bool must_retry(const struct engine *e)
{
	if (e->must_flush || e->was_refused)
		return true;
	if (e->store->in_flight != 0)
		return false;
	return pager_is_waiting(e->pager);
}

static void on_background(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;

	(void)fd;
	(void)what;
	run(e);
	e->hooks->settle(e->ctx);
	if (!e->wants_run && must_retry(e))
		schedule(e, RETRY_MS);
}

static void on_completions(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;

	(void)fd;
	(void)what;
	(void)engine_reap(e);
	e->hooks->settle(e->ctx);
}

int engine_watch(struct engine *e, struct event_base *base, int io_priority,
		 int background_priority)
{
	int fd = swapstore_event_fd(e->store);

	if (event_assign(&e->store_event, base, fd,
			 fd < 0 ? 0 : EV_READ | EV_PERSIST, on_completions,
			 e) != 0 ||
	    event_assign(&e->background, base, -1, 0, on_background, e) != 0)
		return -EINVAL;
	(void)event_priority_set(&e->store_event, io_priority);
	(void)event_priority_set(&e->background, background_priority);
	e->is_watching = true;
	return fd >= 0 && event_add(&e->store_event, NULL) != 0 ? -ENOMEM : 0;
}

static void flush(struct engine *e)
{
	if (e->must_flush && swapstore_flush(e->store) == 0)
		e->must_flush = false;
}

void engine_look_again(struct engine *e)
{
	if (pager_is_over_limits(e->pager))
		e->wants_run = true;
}

unsigned engine_poll_data_files(struct engine *e)
{
	unsigned returned = backing_poll(e->backing);

	if (pager_retry_teardown(e->pager) != 0)
		e->wants_run = true;
	return returned;
}

void engine_settle(struct engine *e)
{
	flush(e);
	if (!e->wants_run)
		return;
	if (clock_now_ns() - e->last_run_ns > STARVED_NS) {
		run(e);
		flush(e);
	}
	if (e->wants_run || e->must_flush)
		schedule(e, 0);
	else if (e->is_watching && must_retry(e) &&
		 !event_pending(&e->background, EV_TIMEOUT, NULL))
		schedule(e, RETRY_MS);
}

bool engine_is_idle(const struct engine *e)
{
	return e->store->in_flight == 0 && pager_is_idle(e->pager);
}

struct findings_ask engine_findings(const struct engine *e,
				    const struct config *config)
{
	return (struct findings_ask){
		.config = config,
		.error = e->uring_error,
		.is_cached = e->has_swapfile && !e->swapfile.is_direct,
		.io_refused = e->store->refused,
		.missing_helpers = backing_missing_helpers(e->backing),
	};
}
