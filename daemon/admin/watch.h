/* SPDX-License-Identifier: MIT */
/* What is looked at once a second: rates, starvation, helper processes, other
 * hosts that keep pages (store_watch.h), and data files that a client has
 * filled past the pager (spoil.h). */
#ifndef MEMD_ADMIN_WATCH_H
#define MEMD_ADMIN_WATCH_H

#include "daemon/admin/store_watch.h"
#include <stdbool.h>
#include <stdint.h>

struct config;
struct engine;
struct guests;
struct keeper;
struct sessions;
struct spoil;
struct stats;

struct watch {
	/* Borrowed; to be filled in before it is used. */
	const struct config *config;
	struct stats *stats;
	struct engine *engine;
	struct keeper *keeper;
	struct sessions *sessions;
	struct spoil *spoil;
	struct guests *guests;
	bool is_embedded;

	struct store_watch store_watch;
	uint64_t watched_ns;		/* when it has looked last */
	uint64_t starved_ns;		/* so long faults have waited and no
					 * frame was free */
	unsigned missing_helpers;	/* as the log has them */
	uint64_t io_refused;
};

/* Returns whether it was time to look, as it is about once a second. */
bool watch_tick(struct watch *w);

#endif
