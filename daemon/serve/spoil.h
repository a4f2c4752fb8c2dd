/* SPDX-License-Identifier: MIT */
/* Segments whose data files a client has spoilt: written to past memd, made of
 * huge pages, kept locked.  Their bytes cannot be trusted, or not be taken out
 * any more; who has done it, where that is known, loses his session. */
#ifndef MEMD_SERVE_SPOIL_H
#define MEMD_SERVE_SPOIL_H

#include "common/deferred.h"
#include <stdint.h>

struct engine;
struct segments;
struct stats;

struct spoil {
	/* Borrowed; to be filled in before spoil_init(). */
	struct engine *engine;
	struct segments *segments;
	struct stats *stats;
	struct deferred *deferred;

	struct deferred_work work;	/* see to them */
	uint32_t cursor;		/* the next segment to look at */
};

void spoil_init(struct spoil *sp);

/* Once a second: look at some of the segments. */
void spoil_look(struct spoil *sp);

/* See to those that the engine has come across, soon. */
void spoil_wake(struct spoil *sp);

#endif
