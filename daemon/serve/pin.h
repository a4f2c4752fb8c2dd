/* SPDX-License-Identifier: MIT */
/* Ranges that sessions have pinned.  A pin belongs to an attachment.  When the
 * attachment ends, or on Unpin, the pin becomes *orphaned*: a turn of the loop
 * unpins its pages, and tries again if the pager says -EBUSY.  So no client can
 * unpin the ranges of another client, and no pin is left behind.
 *
 * If a session ends without a Goodbye, its pins of named segments are *kept*
 * until the address space of the process is gone (keeper.h).  The reason: when
 * the threads of a dying process end, the kernel reads words that the program
 * has pinned, such as robust mutexes, and does not wait for a page to come
 * in. */
#ifndef MEMD_SERVE_PIN_H
#define MEMD_SERVE_PIN_H

#include "common/checks.h"
#include "common/deferred.h"
#include "daemon/keeper/keeper.h"
#include "daemon/pager/pager.h"
#include <stdbool.h>
#include <sys/queue.h>

struct engine;
struct pending_entry;
struct pending_table;
struct segments;

/* A hash table, because a session may have thousands of pins. */
enum { PIN_BUCKET_BITS = 8, PIN_BUCKETS = 1 << PIN_BUCKET_BITS };

/* The pins of a session, by their ranges. */
struct pin_book {
	struct pin_list bucket[PIN_BUCKETS];
	uint32_t count;
};

/* What one attachment has pinned. */
struct pin_owner {
	struct pin_book *book;		/* of the attachment's session */
	struct pin_list pins;
	uint32_t segment_number;
	segment_id pager_id;
};

struct pin {
	struct pin_owner *owner;	/* NULL: orphaned or kept */
	uint32_t segment_number;
	segment_id pager_id;
	uint64_t first, count;
	bool is_held;			/* the pages are pinned */
	bool is_busy;			/* the pager works on a request for
					 * it */
	LIST_ENTRY(pin) link;		/* of its owner, or the list of kept
					 * pins */
	LIST_ENTRY(pin) range_link;	/* of the bucket in its session's
					 * book */
	TAILQ_ENTRY(pin) orphan_link;	/* in pins.orphans */
};

TAILQ_HEAD(pin_queue, pin);

struct pins {
	struct engine *engine;		/* borrowed, as the next three */
	struct pending_table *pending;
	struct segments *segments;
	struct deferred *deferred;
	struct deferred_work work;	/* unpins some of the orphans in each
					 * turn */
	struct pin_queue orphans;	/* held, and not being unpinned */
	uint64_t key[3];		/* random, so that no client can choose
					 * its buckets */
};

void pins_init(struct pins *ps, struct engine *engine,
	       struct pending_table *pending, struct segments *segments,
	       struct deferred *deferred);

/* Make a pin that the caller asks the pager for.  NULL: out of memory. */
struct pin *pin_add(const struct pins *ps, struct pin_owner *owner,
		    uint64_t first, uint64_t count);

/* The pager has answered PAGER_PIN.  `pin` is freed if it is not held.  May be
 * called from inside the pager. */
void pin_asked(struct pins *ps, struct pin *pin, bool is_held);

/* Returns a held pin of exactly this range, or NULL. */
struct pin *pin_find(const struct pins *ps, const struct pin_owner *owner,
		     uint64_t first, uint64_t count);

/* Unpin the pages now.  `like` describes the request that is answered when this
 * is done.  Returns false if the table of requests is full.  Do not call from
 * inside pager callbacks. */
bool pin_unpin(struct pins *ps, struct pin *pin,
	       const struct pending_entry *like) MUST_CHECK;

/* Take pins from their owner; turns of the loop unpin them later. */
void pin_orphan(struct pins *ps, struct pin *pin);
void pins_orphan_all(struct pins *ps, struct pin_owner *owner);

/* pins_keep_all() moves the held pins of `owner` to the list `kept`.
 * pins_orphan_kept() later takes them from there and has them unpinned. */
void pins_keep_all(struct pin_list *kept, struct pin_owner *owner);
void pins_orphan_kept(struct pins *ps, struct pin_list *kept);

/* The table of requests may have room again: go on with the orphans. */
void pins_wake(struct pins *ps);

/* The pager has answered PAGER_UNPIN.  May be called from inside the pager. */
void pin_released(struct pins *ps, struct pin *pin, int result);

#endif
