/* SPDX-License-Identifier: MIT */
/* Everything that serves programs on this host: their sessions, the segments
 * they have attached, and their requests.  The handlers of messages get the
 * struct serve.  Each part of it knows only the parts that it needs. */
#ifndef MEMD_SERVE_SERVE_H
#define MEMD_SERVE_SERVE_H

#include "daemon/engine/memd_engine.h"
#include "daemon/net/server.h"
#include "daemon/serve/age.h"
#include "daemon/serve/evictor.h"
#include "daemon/serve/map_wait.h"
#include "daemon/serve/mailbox.h"
#include "daemon/serve/client_fault.h"
#include "daemon/serve/pending.h"
#include "daemon/serve/pin.h"
#include "daemon/serve/ready.h"
#include "daemon/serve/replay.h"
#include "daemon/serve/session.h"
#include "daemon/serve/spoil.h"
#include "daemon/serve/trace.h"

/* Descriptors that segments and bells may not use, so that new connections are
 * possible. */
enum { RESERVE_FOR_CONNECTIONS = 64 };

/* Calls to the room that lends memory to other hosts (lend/). */
struct serve_hooks {
	/* The session of a guest ends. */
	void (*guest_leaves)(struct session *s);
	/* The pager has finished a request of a guest.  Called from inside the
	 * pager. */
	void (*guest_answered)(struct guest_op *op, int result);
	/* As pager_callbacks.segment_gone.  Called from inside the pager. */
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
	const struct memd_engine_program *program;	/* install NULL: memd is
							 * a process of its
							 * own */
	bool is_embedded;
	const struct serve_hooks *hooks;
	void *hooks_ctx;

	bool is_stopping;
	uint64_t instance;		/* random, chosen at the start */
	struct accounts accounts;
	struct segments segments;
	struct sessions sessions;
	struct mailboxes mailboxes;
	struct client_faults faults;
	struct deferred_work lingering;	/* segments that could not go */
	struct pending_table pending;
	struct pins pins;
	struct ages ages;
	struct readies readies;
	struct desks desks;
	struct trace trace;
	/* Whose fault or touch the pager is being told of, for the trace;
	 * NULL: nobody's, or there is no reader. */
	const struct attachment *asking;
	uint64_t asked_page;		/* of a fault; else PAGER_NO_PAGE */
	struct evictor evictor;
	struct replays replays;
	struct map_waits map_waits;
	struct spoil spoil;
};

/* serve_init() sets up everything but accounts and segments; serve_start() sets
 * up these two and needs the engine.  Both return 0 or -errno. */
int serve_init(struct serve *sv) MUST_CHECK;
int serve_start(struct serve *sv) MUST_CHECK;
/* Before the engine is destroyed, if there is one: release what the engine
 * knows of. */
void serve_end(struct serve *sv);
/* After the engine is destroyed: release what its answers passed through.
 * serve_end() and serve_fini() accept a struct that was only filled in. */
void serve_fini(struct serve *sv);

/* Whether programs of this host may have a mailbox, and may bring pages in by
 * themselves. */
bool serve_has_mailboxes(const struct serve *sv);
bool serve_is_one_sided(const struct serve *sv);

/* Call once a second. */
void serve_tick(struct serve *sv);

/* The memory of a program is gone, and with it its desk: segments that it kept
 * go in the next turn. */
void serve_desk_ended(struct serve *sv);

/* Call when I/O has ended: background work that waits may be able to go on. */
void serve_wake(struct serve *sv);

/* memd stops: accept no session, start no work, and unlink all segments. */
void serve_stop(struct serve *sv);

#endif
