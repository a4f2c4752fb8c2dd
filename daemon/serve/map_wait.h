/* SPDX-License-Identifier: MIT */
/* Requests for segments that do not fit yet, but will when what is being taken
 * down has gone: they wait for that, and are then dealt with as if they had
 * just come.  Each time that something has gone all of them are tried, in the
 * order in which they came: who lacks more than that, or waits for his own
 * limit, does not keep the others.  Everything else of their sessions goes on
 * meanwhile. */
#ifndef MEMD_SERVE_MAP_WAIT_H
#define MEMD_SERVE_MAP_WAIT_H

#include "common/checks.h"
#include "common/deferred.h"
#include "proto/memd.pb-c.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;
struct map_wait;
struct pending_table;

struct map_waits {
	struct pending_table *pending;	/* borrowed, as the next one */
	struct deferred *deferred;
	struct deferred_work work;	/* tries some of them */
	/* Deal with a request as if it had just come. */
	void (*take)(void *ctx, struct conn *c, uint64_t request_id,
		     const void *create);
	void *ctx;
	TAILQ_HEAD(, map_wait) all;
	uint32_t count;
	struct map_wait *next;		/* to be tried; NULL: all have been */
	bool is_woken;			/* a segment has gone since the first
					 * one was tried */
	bool is_trying;			/* the one before `next`, once more */
};

/* The caller fills in what is borrowed, and `take`. */
void map_waits_init(struct map_waits *ws);
void map_waits_fini(struct map_waits *ws);

/* Have the request wait.  Returns 0; or -EBUSY (too many requests), -ENOMEM. */
int map_wait_add(struct map_waits *ws, struct conn *c, uint64_t request_id,
		 const Memd__SegmentCreate *create) MUST_CHECK;

/* What was being taken down has gone, or will not go. */
void map_waits_wake(struct map_waits *ws);

#endif
