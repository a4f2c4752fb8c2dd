/* SPDX-License-Identifier: MIT */
/* Minor faults: pages that were mapped without asking the daemon.  Any thread
 * notes them; the library's thread collects and sends them.
 *
 * They are hints for page replacement.  A note may be lost because the ring is
 * full, may be late, or may name a page of a region that has gone. */
#ifndef MEMD_CLIENT_FAULT_TOUCHED_H
#define MEMD_CLIENT_FAULT_TOUCHED_H

#include "client/link/link.h"
#include "client/region/region.h"

enum { TOUCHED_RING = 4096, TOUCHED_BATCH = WIRE_RANGES_MAX };

struct touched {
	_Atomic uint64_t head;			/* places given out */
	_Atomic uint64_t cell[TOUCHED_RING];	/* 0: empty */
	/* For the mean time of a fault. */
	_Atomic uint64_t fault_count, total_ns;

	/* Used only by the library's thread. */
	uint64_t tail;
	size_t batch_count;
	uint64_t batch[TOUCHED_BATCH];
};

/* Note a minor fault, which took `ns`.  Any thread; async-signal-safe; never
 * waits. */
void touched_add(struct touched *t, const struct region *r, uint64_t page,
		 uint64_t ns);

/* True if a fault was noted since the last touched_send().  Library's thread
 * only. */
bool touched_is_pending(struct touched *t);

/* Send all notes, a message for each region and batch.  Notes for which the
 * link has no room are dropped. */
void touched_send(struct touched *t, struct regions *rs, struct link *l);

#endif
