/* SPDX-License-Identifier: MIT */
#include "daemon/engine/engine.h"

#include "common/clock.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
	REAP_BATCH = 64,
	RETRY_MS = 10,		/* when memory or room in the queue is
				 * lacking */
};

/* If background work has waited this long, it goes before new requests.  So a
 * flood of requests cannot keep the pager from freeing frames. */
#define STARVED_NS	UINT64_C(2000000)

/* ---- the operations for the pager */

static int op_install(void *ctx, segment_id segment, uint64_t unit,
		      uint64_t count, const void *bytes)
{
	struct engine *e = ctx;

	return backing_install(e->backing, segment, unit, count, bytes);
}

static int op_install_for(void *ctx, struct fault *fault, uint64_t unit,
			  uint64_t count, const void *bytes)
{
	struct engine *e = ctx;

	if (e->hooks->install(e->up_ctx, fault, bytes,
			      count * PAGER_UNIT_BYTES))
		return 0;
	return backing_install(e->backing, fault->segment, unit, count, bytes);
}

static void op_capture(void *ctx, struct pager_capture *capture,
		       unsigned count)
{
	struct engine *e = ctx;

	backing_capture(e->backing, capture, count);
}

static unsigned op_collect(void *ctx, uint32_t ticket, void *to,
			   struct pager_capture ret_run[PAGER_CAPTURES_MAX])
{
	struct engine *e = ctx;

	return backing_collect(e->backing, ticket, to, ret_run);
}

/* What cannot be said now must not be claimed. */
static void note_present(struct engine *e, struct pager_claim *claim,
			 uint32_t k)
{
	int is_present = backing_is_present(e->backing, claim->segment,
					    claim->first + k);

	if (is_present < 0)
		claim->open |= UINT64_C(1) << k;
	else if (is_present > 0)
		claim->present |= UINT64_C(1) << k;
}

static void op_look(void *ctx, struct pager_claim *claim, unsigned count)
{
	struct engine *e = ctx;

	e->hooks->look(e->ctx, claim, count);
	for (unsigned i = 0; i < count; i++)
		for (uint32_t k = 0; claim[i].asks_present &&
				     k < claim[i].count; k++)
			note_present(e, &claim[i], k);
}

static bool op_shed(void *ctx, segment_id segment, uint32_t *budget)
{
	struct engine *e = ctx;

	return backing_shed(e->backing, segment, budget);
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

const struct pager_ops engine_pager_ops = {
	.install = op_install,
	.install_for = op_install_for,
	.capture = op_capture,
	.collect = op_collect,
	.look = op_look,
	.shed = op_shed,
	.submit = op_submit,
	.discard_slots = op_discard_slots,
	.is_slot_lost = op_is_slot_lost,
};

/* ---- events */

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
	if (e->store->must_flush)
		e->must_flush = e->wants_run = true;
	if (total != 0) {
		e->wants_run = true;
		areas_sweep_again(&e->areas);
	}
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
	if (pager_asks_loans(e->pager)) {
		e->hooks->recall(e->ctx);
		e->wants_run = true;
	}
}

/* Whether something waits that no completion will wake: memory that the system
 * lacked, a full submission queue, or room in a store.  (In a mirror, requests
 * in flight may wait for something else: its reads wait for the other
 * child.) */
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

/* Tell the pager of captures that have ended, or are stuck now. */
static void pass_captures(struct engine *e)
{
	struct backing_event event;

	while (backing_next_event(e->backing, &event)) {
		if (event.is_stuck)
			pager_capture_stuck(e->pager, event.ticket,
					    clock_now_ns());
		else
			pager_capture_done(e->pager, event.ticket,
					   clock_now_ns());
		e->wants_run = true;
	}
}

static void on_captures(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;

	(void)fd;
	(void)what;
	flights_reap(backing_flights(e->backing));
	pass_captures(e);
	e->hooks->settle(e->ctx);
}

static void on_files(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;

	(void)fd;
	(void)what;
	areas_reap(&e->areas);
	e->hooks->settle(e->ctx);
}

static void on_ends(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;

	(void)fd;
	(void)what;
	areas_reap_ends(&e->areas);
}

static int watch_areas(struct engine *e, struct event_base *base, int priority)
{
	int ends_fd;

	if (!areas_are_used(&e->areas))
		return 0;
	ends_fd = file_ender_event_fd(e->areas.ender);
	if (event_assign(&e->areas_event, base,
			 file_maker_event_fd(e->areas.maker),
			 EV_READ | EV_PERSIST, on_files, e) != 0 ||
	    event_assign(&e->ends_event, base, ends_fd,
			 ends_fd < 0 ? 0 : EV_READ | EV_PERSIST, on_ends,
			 e) != 0)
		return -EINVAL;
	(void)event_priority_set(&e->areas_event, priority);
	(void)event_priority_set(&e->ends_event, priority);
	return event_add(&e->areas_event, NULL) != 0 ||
	       (ends_fd >= 0 && event_add(&e->ends_event, NULL) != 0) ?
	       -ENOMEM : 0;
}

int engine_watch(struct engine *e, struct event_base *base, int io_priority,
		 int background_priority)
{
	int capture_fd = flights_event_fd(backing_flights(e->backing));
	int fd = swapstore_event_fd(e->store);

	if (event_assign(&e->store_event, base, fd,
			 fd < 0 ? 0 : EV_READ | EV_PERSIST, on_completions,
			 e) != 0 ||
	    event_assign(&e->capture_event, base, capture_fd,
			 capture_fd < 0 ? 0 : EV_READ | EV_PERSIST,
			 on_captures, e) != 0 ||
	    event_assign(&e->background, base, -1, 0, on_background, e) != 0)
		return -EINVAL;
	(void)event_priority_set(&e->store_event, io_priority);
	(void)event_priority_set(&e->capture_event, io_priority);
	(void)event_priority_set(&e->background, background_priority);
	e->is_watching = true;
	if ((fd >= 0 && event_add(&e->store_event, NULL) != 0) ||
	    (capture_fd >= 0 && event_add(&e->capture_event, NULL) != 0))
		return -ENOMEM;
	return watch_areas(e, base, background_priority);
}

static void flush(struct engine *e)
{
	if (e->must_flush && swapstore_flush(e->store) == 0)
		e->must_flush = false;
}

void engine_look_again(struct engine *e)
{
	areas_repair(&e->areas);
	if (pager_is_over_limits(e->pager))
		e->wants_run = true;
}

unsigned engine_missing_helpers(const struct engine *e)
{
	return flights_missing_helpers(backing_flights(e->backing)) +
	       (areas_are_used(&e->areas) ?
		file_ender_missing_helpers(e->areas.ender) : 0);
}

uint64_t engine_renewed_helpers(const struct engine *e)
{
	return flights_renewed_helpers(backing_flights(e->backing)) +
	       (areas_are_used(&e->areas) ?
		file_ender_renewed_helpers(e->areas.ender) : 0);
}

void engine_poll_files(struct engine *e)
{
	areas_poll(&e->areas);
	flights_poll(backing_flights(e->backing));
	pass_captures(e);
	(void)pager_retry_refused(e->pager);
	e->wants_run = true;
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
		.is_cached = areas_are_used(&e->areas) &&
			     !e->areas.dir.is_direct,
		.io_refused = e->store->refused,
		.missing_helpers = engine_missing_helpers(e),
	};
}
