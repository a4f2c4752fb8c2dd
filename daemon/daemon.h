/* SPDX-License-Identifier: MIT */
/* The whole daemon: every noun once, tied together by the event loop.
 *
 * The loop is libevent's, with priorities: paging first, then newcomers and
 * administration, then background work.  Every callback ends with
 * daemon_settle(), which lets out what it has produced.  What must not happen
 * inside a callback of the pager, or while a connection's own callback runs
 * (freeing it, above all), waits for the *turn*: an event of the first
 * priority that runs once after the callbacks that are ready now. */
#ifndef MEMD_DAEMON_DAEMON_H
#define MEMD_DAEMON_DAEMON_H

#include "daemon/serve/accounts.h"
#include "daemon/serve/age.h"
#include "daemon/net/admins.h"
#include "daemon/net/awake.h"
#include "daemon/config/config.h"
#include "daemon/embedded.h"
#include "daemon/engine/engine.h"
#include "daemon/serve/evictor.h"
#include "daemon/keeper/keeper.h"
#include "daemon/serve/mailbox.h"
#include "daemon/serve/pending.h"
#include "daemon/serve/pin.h"
#include "daemon/serve/map_wait.h"
#include "daemon/serve/ready.h"
#include "daemon/renewal.h"
#include "daemon/serve/replay.h"
#include "daemon/serve/segments.h"
#include "daemon/net/server.h"
#include "daemon/net/tcp_opening.h"
#include "daemon/serve/session.h"
#include "daemon/stats/stats.h"
#include "daemon/lend/guest_room.h"
#include "daemon/admin/store_watch.h"
#include "daemon/lend/guests.h"
#include "daemon/stats/trace.h"

enum { EXIT_BAD_CONFIG = 2, EXIT_KERNEL_REFUSES = 3 };

struct daemon {
	struct config config;
	struct config waiting;			/* the last one read: with what
						 * a restart would change */
	char config_text[CONFIG_KEYS][CONFIG_TEXT_BYTES]; /* being shown */
	char waiting_text[CONFIG_KEYS][CONFIG_TEXT_BYTES];
	const struct config_origin *origin;	/* to read it again */
	bool is_embedded;			/* the thread of a program: see
						 * embedded.h */
	struct memd_engine_program program;	/* install NULL: none */
	_Atomic uint32_t must_stop;		/* embedded: set by others */
	char reload_error[CONFIG_REASON_BYTES];	/* of the last reload */
	char memory_high[512];			/* why that is too little;
						 * empty: it is not */
	int64_t reload_refused_s;		/* since when all are, by the
						 * calendar; 0: none is */
	struct renewal renewal;			/* embedded */
	uint64_t certificates_said_ns;		/* looked at for the log */
	uint64_t instance;			/* random */
	uint64_t started_ns;

	struct event_base *base;
	struct event turn, tick;
	struct event on_term, on_int, on_hup;
	bool is_stopping;
	bool is_hurried;
	uint64_t stop_by_ns;
	uint64_t watchdog_us;
	char status_line[256];			/* last told to systemd */

	struct engine engine;
	struct accounts accounts;
	struct segments segments;
	struct server server;
	struct tcp_opening tcp_opening;
	struct admins admins;
	struct awake awake;
	struct sessions sessions;
	struct mailboxes mailboxes;
	struct keeper keeper;
	struct pending_table pending;
	struct pins pins;
	struct ages ages;
	struct readies readies;
	struct trace trace;
	struct evictor evictor;
	struct replays replays;
	struct map_waits map_waits;
	struct guests guests;
	struct store_watch store_watch;
	struct stats stats;
	uint64_t watched_ns;			/* watch.c has looked last */
	uint64_t starved_ns;			/* so long faults have waited
						 * and no frame was free */
	uint32_t spoil_cursor;
	unsigned missing_helpers;		/* as the log has them */
	uint64_t io_refused;
};

/* Start, run until told to stop, stop.  Returns memd's exit status. */
int daemon_run(const struct config_origin *origin, const struct config *config);

/* The same in parts, for embedded.c; program NULL: memd is a process of its
 * own.  Create: 0, or -errno with a line in
 * ret_reason; serve: 0, or -EIO when the loop itself fails; destroy also ends
 * what is still going on. */
int daemon_create(const struct config_origin *origin,
		  const struct config *config,
		  const struct memd_engine_program *program,
		  struct daemon **ret_daemon, char *ret_reason,
		  size_t reason_size) MUST_CHECK;
int daemon_serve(struct daemon *d) MUST_CHECK;
void daemon_destroy(struct daemon *d);

/* The certificates in use, the listener's or the store's, which are made of the
 * same files; NULL: none. */
static inline const struct channel_context *daemon_tls(const struct daemon *d)
{
	return d->server.tls != NULL ? d->server.tls : d->engine.tls;
}

/* Stop, as on SIGTERM; why: for the log. */
void daemon_stop(struct daemon *d, const char *why);

/* Let out what has been queued: replies, I/O; ask for the turn. */
void daemon_settle(struct daemon *d);

#endif
