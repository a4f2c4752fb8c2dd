/* SPDX-License-Identifier: MIT */
/* `memctl evict`: pages of all clients or of one, out to the swap store, until
 * so many bytes have left.  One job at a time goes through the segments in
 * pieces, as background work. */
#ifndef MEMD_SERVE_EVICTOR_H
#define MEMD_SERVE_EVICTOR_H

#include "common/checks.h"
#include "common/deferred.h"
#include "daemon/serve/whom.h"
#include <stdbool.h>
#include <stdint.h>

struct conn;
struct engine;
struct pending_table;
struct segments;
struct sessions;

struct evictor {
	/* Borrowed; to be filled in before evictor_init(). */
	struct engine *engine;
	struct pending_table *pending;
	const struct segments *segments;
	const struct sessions *sessions;
	struct deferred *deferred;

	struct deferred_work work;	/* the next piece, or the end */
	bool is_active;
	bool is_waiting;		/* for the pager */
	uint32_t session;		/* who asked; may be gone */
	uint64_t request_id;
	struct whom whom;
	uint64_t bytes_left;		/* UINT64_MAX: all */
	uint64_t evicted_bytes;
	uint64_t page_bytes;		/* of the piece under way */
	uint32_t segment_number;	/* where it goes on */
	uint64_t next_page;
};

void evictor_init(struct evictor *ev);

/* Begin; the answer goes to `c`.  -EBUSY: another job is under way. */
int evictor_start(struct evictor *ev, struct conn *c, uint64_t request_id,
		  const struct whom *whom, uint64_t bytes) MUST_CHECK;

/* memd stops: evict no more. */
void evictor_stop(struct evictor *ev);

/* The table of requests may have room again. */
void evictor_wake(struct evictor *ev);

/* The pager has ended a piece. */
void evictor_done(struct evictor *ev, int result, uint64_t pages);

#endif
