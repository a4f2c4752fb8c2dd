/* SPDX-License-Identifier: MIT */
/* `memctl evict`: write pages of all clients or of one to the swap store, until
 * the given number of bytes is evicted.  There is one job at a time.  It goes
 * through the segments in pieces, as background work. */
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

	struct deferred_work work;	/* evicts the next piece, or ends the
					 * job */
	bool is_active;
	bool is_waiting;		/* the pager works on a piece */
	uint32_t session;		/* that asked; it may be gone */
	uint64_t request_id;
	struct whom whom;
	uint64_t bytes_left;		/* UINT64_MAX: evict all */
	uint64_t evicted_bytes;
	uint64_t page_bytes;		/* of the piece in progress */
	uint32_t segment_number;	/* with next_page: where to go on */
	uint64_t next_page;
};

void evictor_init(struct evictor *ev);

/* Begin a job; the reply goes to the session of `c`.  bytes 0: evict all.
 * Returns 0 or -EBUSY (another job is in progress). */
int evictor_start(struct evictor *ev, struct conn *c, uint64_t request_id,
		  const struct whom *whom, uint64_t bytes) MUST_CHECK;

/* memd stops: evict no more.  The job ends with its next step. */
void evictor_stop(struct evictor *ev);

/* The table of requests may have room again. */
void evictor_wake(struct evictor *ev);

/* The pager has finished a piece.  May be called from inside the pager. */
void evictor_done(struct evictor *ev, int result, uint64_t pages);

#endif
