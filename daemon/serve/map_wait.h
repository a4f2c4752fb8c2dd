/* SPDX-License-Identifier: MIT */
/* Requests for segments that do not fit yet, but may fit when segments that
 * are being removed are gone, or when a file for their pages is made.  They
 * wait for that, and are then handled as if they had just come.  Each time that
 * a segment is gone or a file is there, all waiting requests are tried in the
 * order in which they came.  So a request that still does not
 * fit does not delay the others.  Other requests of the same sessions go on
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
	struct accounts *accounts;	/* borrowed, as the next two */
	struct pending_table *pending;
	struct deferred *deferred;
	struct deferred_work work;	/* tries some requests in each turn */
	TAILQ_HEAD(, map_wait) all;
	uint32_t count;
	struct map_wait *next;		/* the next one to try; NULL: all have
					 * been tried */
	bool is_woken;			/* a segment has gone since the last
					 * round of tries began */
	bool is_trying;			/* a request is being tried; it was
					 * before `next` */
};

/* Fill in what is borrowed before. */
void map_waits_init(struct map_waits *ws);
void map_waits_fini(struct map_waits *ws);

/* The function that handles a request as if it had just come. */
struct map_handler {
	void (*take)(void *ctx, struct conn *c, uint64_t request_id,
		     const void *message);
	void *ctx;
};

/* Have the request wait; a copy of the message is kept.  Returns 0, -EBUSY (too
 * many requests), or -ENOMEM. */
int map_wait_add(struct map_waits *ws, struct conn *c, uint64_t request_id,
		 const struct map_handler *handler,
		 const ProtobufCMessage *message) MUST_CHECK;

/* A segment is gone, or it is known that it will not go, or a file is made or
 * gone. */
void map_waits_wake(struct map_waits *ws);

#endif
