/* SPDX-License-Identifier: MIT */
/* Spoiled segments: a client wrote to the data file past memd, or made huge
 * pages of it.  memd cannot trust the bytes any more.  If it is known which
 * client did it, that client's session is closed.
 *
 * Locked segments: a client keeps the lock of the data file.  They are only
 * logged. */
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
	struct desks *desks;
	struct stats *stats;
	struct deferred *deferred;

	struct deferred_work work;	/* handles the segments that the engine
					 * has reported */
	uint32_t cursor;		/* id of the next segment to look at */
};

void spoil_init(struct spoil *sp);

/* Call once a second: check some of the segments. */
void spoil_look(struct spoil *sp);

/* In the next turn, handle the segments that the engine has reported. */
void spoil_wake(struct spoil *sp);

#endif
