/* SPDX-License-Identifier: MIT */
/* What programs on this host are served with: who they are, what they have
 * attached, and what they have asked for.  Whoever handles a message finds
 * everything here; the parts know only of those that they need. */
#ifndef MEMD_SERVE_SERVE_H
#define MEMD_SERVE_SERVE_H

#include "daemon/engine/memd_engine.h"
#include "daemon/net/server.h"
#include "daemon/serve/age.h"
#include "daemon/serve/evictor.h"
#include "daemon/serve/map_wait.h"
#include "daemon/serve/mailbox.h"
#include "daemon/serve/pending.h"
#include "daemon/serve/pin.h"
#include "daemon/serve/ready.h"
#include "daemon/serve/replay.h"
#include "daemon/serve/session.h"
#include "daemon/serve/spoil.h"
#include "daemon/serve/trace.h"

/* What those who lend memory to other hosts want to know. */
struct serve_hooks {
	/* The session of a guest ends. */
	void (*guest_leaves)(struct session *s);
	/* From inside the pager: what it was asked for a guest is done. */
	void (*guest_answered)(struct guest_op *op, int result);
	/* From inside the pager, as pager_callbacks.segment_gone. */
	void (*segment_gone)(void *ctx, segment_id segment);
};

struct serve {
	/* Borrowed; to be filled in before serve_init(). */
	const struct config *config;
	struct stats *stats;
	struct engine *engine;
	struct server *server;
	struct admins *admins;
	struct awake *awake;
	struct keeper *keeper;
	struct deferred *deferred;
	const struct memd_engine_program *program;	/* install NULL: none */
	bool is_embedded;
	const struct serve_hooks *hooks;
	void *hooks_ctx;

	bool is_stopping;
	uint64_t instance;		/* random */
	struct accounts accounts;
	struct segments segments;
	struct sessions sessions;
	struct mailboxes mailboxes;
	struct pending_table pending;
	struct pins pins;
	struct ages ages;
	struct readies readies;
	struct trace trace;
	struct evictor evictor;
	struct replays replays;
	struct map_waits map_waits;
	struct spoil spoil;
};

/* All but accounts and segments, which need the engine: serve_start().  Return
 * 0 or -errno. */
int serve_init(struct serve *sv) MUST_CHECK;
int serve_start(struct serve *sv) MUST_CHECK;
/* Before the engine goes, where there is one: all that it knows of. */
void serve_end(struct serve *sv);
/* After it: what its answers went through.  Both accept one that was only
 * filled in. */
void serve_fini(struct serve *sv);

/* Once a second. */
void serve_tick(struct serve *sv);

/* I/O has ended: what waits in the background may go on. */
void serve_wake(struct serve *sv);

/* memd stops: nobody new, no new work, all names go. */
void serve_stop(struct serve *sv);

#endif
