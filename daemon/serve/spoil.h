/* SPDX-License-Identifier: MIT */
/* Segments whose data files a client has spoilt: written to past memd, made of
 * huge pages, kept locked.  Their bytes cannot be trusted, or not be taken out
 * any more; who has done it, where that is known, loses his session. */
#ifndef MEMD_SERVE_SPOIL_H
#define MEMD_SERVE_SPOIL_H

#include <stdint.h>

struct engine;
struct segments;
struct stats;

struct spoil {
	/* Borrowed. */
	struct engine *engine;
	struct segments *segments;
	struct stats *stats;

	uint32_t cursor;		/* the next segment to look at */
};

/* Once a second: look at some of the segments. */
void spoil_look(struct spoil *sp);

/* See to those that the engine has come across.  The turn only. */
void spoil_take(struct spoil *sp);

#endif
