/* SPDX-License-Identifier: MIT */
/* What the daemon is told afterwards: pages that were mapped without asking
 * it (minor faults).  Any thread notes them, the handler collects and sends.
 *
 * It is a hint for page replacement: notes may be lost (the ring is full), be
 * late, or name a page of a region that has gone. */
#ifndef MEMD_CLIENT_FAULT_TOUCHED_H
#define MEMD_CLIENT_FAULT_TOUCHED_H

#include "client/link/link.h"
#include "client/region/region.h"

enum { TOUCHED_RING = 4096, TOUCHED_BATCH = WIRE_RANGES_MAX };

struct touched {
	_Atomic uint64_t head;			/* places handed out */
	_Atomic uint64_t cell[TOUCHED_RING];	/* 0: empty */
	_Atomic uint64_t fault_count, total_ns;	/* for the mean time */

	/* The handler's own. */
	uint64_t tail;
	size_t batch_count;
	uint64_t batch[TOUCHED_BATCH];
};

/* Note a minor fault.  Any thread; async-signal-safe; never waits. */
void touched_add(struct touched *t, const struct region *r, uint64_t page,
		 uint64_t ns);

/* Has anything been noted since it was last sent?  Handler only. */
bool touched_is_pending(struct touched *t);

/* Send what was noted, as few messages as there are segments.  What does not
 * fit into the link now is dropped. */
void touched_send(struct touched *t, struct regions *rs, struct link *l);

#endif
