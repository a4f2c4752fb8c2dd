/* SPDX-License-Identifier: MIT */
/* The whole daemon: the state of every room.  Only the files of this folder
 * include this; start.c gives each room pointers to the rooms that it needs.
 *
 * The event loop is libevent's and has two priorities: background work comes
 * after everything else (PRIORITY_… in conn.h). */
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
	bool is_embedded;		/* runs on a thread of a program:
					 * memd_engine.h */
	struct memd_engine_program program;	/* install NULL: memd is a
						 * process */
	_Atomic uint32_t must_stop;	/* embedded: set by another thread */
	struct renewal renewal;		/* embedded only */
	uint64_t certificates_said_ns;	/* when their findings were last
					 * logged */

	struct event_base *base;
	struct event turn, tick;
	struct deferred deferred;	/* work for the next turn */
	struct deferred_work bury;	/* frees DEAD connections */
	struct event on_term, on_int, on_hup;
	bool is_stopping;
	bool is_hurried;
	uint64_t stop_by_ns;
	uint64_t watchdog_us;
	char status_line[256];		/* as last sent to systemd */

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
