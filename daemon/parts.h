/* SPDX-License-Identifier: MIT */
/* The whole daemon: every room once.  Only the files of this folder know it;
 * each room is given what it needs when it is set up (start.c).
 *
 * The loop is libevent's, with priorities: paging first, then newcomers and
 * administration, then background work. */
#ifndef MEMD_DAEMON_PARTS_H
#define MEMD_DAEMON_PARTS_H

#include "common/deferred.h"
#include "daemon/admin/admin.h"
#include "daemon/config/settings.h"
#include "daemon/engine/engine.h"
#include "daemon/keeper/keeper.h"
#include "daemon/lend/guests.h"
#include "daemon/net/admins.h"
#include "daemon/net/awake.h"
#include "daemon/net/server.h"
#include "daemon/net/tcp_opening.h"
#include "daemon/renewal.h"
#include "daemon/serve/serve.h"
#include "daemon/stats/stats.h"

struct daemon {
	struct settings settings;
	bool is_embedded;		/* the thread of a program: see
					 * memd_engine.h */
	struct memd_engine_program program;	/* install NULL: none */
	_Atomic uint32_t must_stop;	/* embedded: set by others */
	struct renewal renewal;		/* embedded */
	uint64_t certificates_said_ns;	/* looked at for the log */

	struct event_base *base;
	struct event turn, tick;
	struct deferred deferred;	/* for the turn */
	struct deferred_work bury;	/* DEAD connections */
	struct event on_term, on_int, on_hup;
	bool is_stopping;
	bool is_hurried;
	uint64_t stop_by_ns;
	uint64_t watchdog_us;
	char status_line[256];		/* last told to systemd */

	struct stats stats;
	struct engine engine;
	struct server server;
	struct tcp_opening tcp_opening;
	struct admins admins;
	struct awake awake;
	struct keeper keeper;
	struct serve serve;
	struct guests guests;
	struct admin admin;
};

#endif
