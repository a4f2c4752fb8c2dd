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
#include "daemon/net/busy_poll.h"
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
#include "daemon/stats/stats.h"
#include "daemon/lend/store_room.h"
#include "daemon/admin/store_watch.h"
#include "daemon/lend/stores.h"
#include "daemon/stats/trace.h"

/* libevent looks at a lower class only when none above it is ready.  So what
 * must not starve under a flood of faults (the tick with its watchdog message,
 * signals, new connections, administration) is in the same class as they. */
enum {
	PRIORITY_PAGING = 0,
	PRIORITY_ADMIN = 0,
	PRIORITY_BACKGROUND = 1,
	PRIORITIES = 2
};

/* More than the largest legal message unpacks to: Touched with 1024 ranges. */
enum { UNPACK_BYTES = 256 * 1024 };

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
	gid_t admin_gid;
	bool has_admin_gid;
	bool is_admin_group_due;		/* is being looked up */
	uint64_t instance;			/* random */
	uint64_t started_ns;

	struct event_base *base;
	struct event turn, tick, spin;
	struct event on_term, on_int, on_hup;
	uint64_t spin_until_ns;
	bool is_spin_due;		/* `spin` is on its way */
	bool is_stopping;
	bool is_hurried;
	uint64_t stop_by_ns;
	uint64_t watchdog_us;
	char status_line[256];			/* last told to systemd */

	struct engine engine;
	struct accounts accounts;
	struct segments segments;
	struct server server;
	struct busy_poll busy_poll;
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
	struct stores stores;
	struct store_watch store_watch;
	struct stats stats;
	uint64_t watched_ns;			/* watch.c has looked last */
	uint64_t starved_ns;			/* so long faults have waited
						 * and no frame was free */
	uint32_t spoil_cursor;
	unsigned missing_helpers;		/* as the log has them */
	uint64_t io_refused;

	uint8_t unpack[UNPACK_BYTES];		/* for one message at a time */
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

/* Stop, as on SIGTERM; why: for the log. */
void daemon_stop(struct daemon *d, const char *why);

/* Let out what has been queued: replies, I/O; ask for the turn. */
void daemon_settle(struct daemon *d);

/* A fault was served: another is likely soon. */
void daemon_note_paging(struct daemon *d);

/* Look around once more before sleeping. */
void daemon_look_again(struct daemon *d);

/* May this peer administrate? */
struct peer;
bool daemon_is_admin(const struct daemon *d, const struct peer *peer);

#endif
