/* SPDX-License-Identifier: MIT */
/* The engine: the pager, and below it the data files, the swap store and the
 * staging memory.  A timer gives the pager time for background work.  The
 * engine does not know clients: it passes what the pager says about them
 * through hooks.
 *
 * Threads: all calls come from the thread of the event loop. */
#ifndef MEMD_ENGINE_ENGINE_H
#define MEMD_ENGINE_ENGINE_H

#include "common/checks.h"
#include "common/clock.h"
#include "daemon/config/config.h"
#include "daemon/backing/backing.h"
#include "daemon/engine/areas.h"
#include "daemon/findings/findings.h"
#include "daemon/pager/pager.h"
#include "proto/channel.h"
#include "swapstore/swapstore.h"
#include <event2/event.h>
#include <event2/event_struct.h>

/* Calls from the engine to its owner. */
struct engine_hooks {
	/* Install a page for a waiting fault in another way than the engine's,
	 * as pager_ops.install_for.  Called from inside the pager, with the ctx
	 * of its callbacks.  Returns false if it was not done, or only
	 * partly. */
	bool (*install)(void *ctx, struct fault *fault, const void *bytes,
			size_t length);
	/* As pager_ops.look, but for claim.present.  Called from inside the
	 * pager. */
	void (*look)(void *ctx, struct pager_claim *claim, unsigned count);
	/* Take back all frames that are lent and not used now. */
	void (*recall)(void *ctx);
	/* A file that programs may read ends. */
	void (*file_ends)(void *ctx, struct area *area,
			  const struct area_file *file);
	/* Called after completions and background work: send what has been
	 * queued. */
	void (*settle)(void *ctx);
	/* There may be room for segments that were refused with
	 * -EINPROGRESS (area_make_room()). */
	void (*room_changed)(void *ctx);
};

struct engine {
	struct pager *pager;
	struct backing *backing;
	struct swapstore *store;
	struct channel_context *tls;	/* for connections to another memd;
					 * NULL: no TLS, or no other memd */
	struct areas areas;		/* zeros: the store has no files */
	bool is_refused_by_kernel;	/* engine_init() failed because of the
					 * kernel */
	int uring_error;		/* why io_uring cannot be used; 0: it is
					 * used, or was not asked for */
	void *staging;
	size_t staging_bytes;
	const struct engine_hooks *hooks;
	void *ctx;			/* of the hooks */
	const struct pager_callbacks *up;	/* callbacks of the pager */
	void *up_ctx;			/* ctx of these callbacks */
	struct event store_event, areas_event, ends_event, capture_event;
	struct event background;
	bool is_watching;
	bool must_flush;		/* requests are queued in the store */
	bool was_refused;		/* the store has refused a request since
					 * the last run */
	bool wants_run;			/* the pager may have background work */
	uint64_t last_run_ns;
	uint64_t submit_retries;	/* requests for which the queue was
					 * full */
};

/* The operations that the pager needs; ctx: the engine. */
extern const struct pager_ops engine_pager_ops;

/* Add the engine's events to the loop: completions at `io_priority`, background
 * work at `background_priority`.  Returns 0, -EINVAL or -ENOMEM. */
int engine_watch(struct engine *e, struct event_base *base, int io_priority,
		 int background_priority) MUST_CHECK;

/* Pass completions to the pager.  Returns how many. */
unsigned engine_reap(struct engine *e);

/* Call after calls of the pager: submits the queued requests, and has
 * background work done if there is any. */
void engine_settle(struct engine *e);

/* Call now and then: pages that could not be evicted before may be evicted
 * now. */
void engine_look_again(struct engine *e);

/* Call once a second: looks after captures that are under way, and files that
 * end, and goes on with what they have held up. */
void engine_poll_files(struct engine *e);

/* Helper processes: as in daemon/backing/punchers.h. */
unsigned engine_missing_helpers(const struct engine *e);
uint64_t engine_renewed_helpers(const struct engine *e);

/* What the engine already knows, for findings_ask(). */
struct findings_ask engine_findings(const struct engine *e,
				    const struct config *config);

/* The pager may have background work. */
static inline void engine_wake(struct engine *e)
{
	e->wants_run = true;
}

/* As pager_advise(), with the present time. */
static inline void engine_advise(struct engine *e, segment_id segment,
				 uint64_t first, uint64_t count,
				 enum pager_advice advice, uint64_t cookie)
{
	pager_advise(e->pager, segment, first, count, advice, cookie,
		     clock_now_ns());
	engine_wake(e);
}

/* Whether no page of any segment has I/O in flight. */
bool engine_is_idle(const struct engine *e);

#endif
