/* SPDX-License-Identifier: MIT */
/* Glue: the pager with the data files, the swap store and staging memory under
 * it, and a background timer that gives it time when nothing else wants any.
 * Knows no clients: what the pager says of them goes through the hooks.
 *
 * Threads: one, that of the event loop. */
#ifndef MEMD_ENGINE_ENGINE_H
#define MEMD_ENGINE_ENGINE_H

#include "common/checks.h"
#include "common/clock.h"
#include "daemon/config/config.h"
#include "daemon/backing/backing.h"
#include "daemon/findings/findings.h"
#include "daemon/pager/pager.h"
#include "proto/channel.h"
#include "swapstore/swapfile.h"
#include "swapstore/swapstore.h"
#include <event2/event.h>
#include <event2/event_struct.h>

/* What the engine asks of its owner. */
struct engine_hooks {
	/* From inside the pager, with the ctx of its callbacks: put a page into
	 * its data file in another way than the engine's own, as install_for
	 * of struct pager_ops.  False: it has not been done, or not wholly. */
	bool (*install)(void *ctx, uint64_t cookie, const void *bytes,
			size_t length);
	/* While the engine is made: does nobody want it any more? */
	bool (*is_cancelled)(void *ctx);
	/* After completions: let out what has been queued. */
	void (*settle)(void *ctx);
};

struct engine {
	struct pager *pager;
	struct backing *backing;
	struct swapstore *store;
	struct channel_context *tls;	/* to another memd; NULL: plain, or
					 * there is none */
	struct swapfile swapfile;
	bool has_swapfile;
	bool is_refused_by_kernel;	/* why engine_init() failed */
	char swap_path[CONFIG_TEXT_BYTES];
	int uring_error;		/* why not uring; 0: it is, or nobody
					 * asked for it */
	void *staging;
	size_t staging_bytes;
	const struct engine_hooks *hooks;
	void *ctx;
	const struct pager_callbacks *up;
	void *up_ctx;
	struct event store_event;
	struct event background;
	bool is_watching;
	bool must_flush;
	bool was_refused;		/* by the store, since the last run */
	bool wants_run;			/* the pager may have work */
	uint64_t last_run_ns;
	uint64_t submit_retries;
};

/* What the engine does for its pager; ctx: the engine. */
extern const struct pager_ops engine_pager_ops;

/* Take part in the event loop: completions at `io_priority`, background work
 * at `background_priority`. */
int engine_watch(struct engine *e, struct event_base *base, int io_priority,
		 int background_priority) MUST_CHECK;

/* Collect completions; returns how many. */
unsigned engine_reap(struct engine *e);

/* After calls of the pager: hand queued I/O to the store and see to it that
 * background work goes on. */
void engine_settle(struct engine *e);

/* Now and then: what could not go when it was looked at may be able to. */
void engine_look_again(struct engine *e);

/* Now and then: see whether punches that were stuck have come back, and take
 * down further what they were in the way of.  Returns how many have. */
unsigned engine_poll_data_files(struct engine *e);

/* What is known already of what may be wrong with the machine. */
struct findings_ask engine_findings(const struct engine *e,
				    const struct config *config);

/* The pager may have work. */
static inline void engine_wake(struct engine *e)
{
	e->wants_run = true;
}

/* pager_advise(), now. */
static inline void engine_advise(struct engine *e, segment_id segment,
				 uint64_t first, uint64_t count,
				 enum pager_advice advice, uint64_t cookie)
{
	pager_advise(e->pager, segment, first, count, advice, cookie,
		     clock_now_ns());
	engine_wake(e);
}

/* No page of any segment has I/O in flight. */
bool engine_is_idle(const struct engine *e);

#endif
