/* SPDX-License-Identifier: MIT */
/* What memd checks once a second: rates, starvation, helper processes, other
 * hosts that keep pages (store_watch.h), and data files that a client has
 * spoilt (spoil.h). */
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
	/* Borrowed; to be filled in before the first tick. */
	const struct config *config;
	struct stats *stats;
	struct engine *engine;
	struct keeper *keeper;
	struct sessions *sessions;
	struct spoil *spoil;
	struct guests *guests;
	bool is_embedded;

	struct store_watch store_watch;
	uint64_t watched_ns;		/* time of the last check */
	uint64_t starved_ns;		/* how long faults have waited while no
					 * frame was free */
	unsigned missing_helpers;	/* as last logged */
	uint64_t returned_punches;	/* as at the last check */
	uint64_t io_refused;		/* as at the last check */
};

/* Do the checks if a second has passed since the last ones.  Returns whether
 * they were done. */
bool watch_tick(struct watch *w);

#endif
