/* SPDX-License-Identifier: MIT */
/* Ranges that sessions have pinned.  A pin belongs to an attachment; when
 * that goes, or on Unpin, the pin is *orphaned* and the turn unpins its pages,
 * as often as the pager asks for patience.  So no client can unpin what
 * another has pinned, and none leaves pins behind.
 *
 * Pins of shared memory whose session ends without a Goodbye are *kept* until
 * the memory of its process is gone (keeper.h): for threads of it that are
 * still to end the kernel looks at words that the program has pinned, such as
 * robust mutexes, and it does not wait for a page then. */
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

/* A session may have thousands, and asks for one of them at a time. */
enum { PIN_BUCKET_BITS = 8, PIN_BUCKETS = 1 << PIN_BUCKET_BITS };

/* The pins of a session, by their ranges. */
struct pin_book {
	struct pin_list bucket[PIN_BUCKETS];
	uint32_t count;
};

/* What one attachment has pinned. */
struct pin_owner {
	struct pin_book *book;		/* of its session */
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
	bool is_busy;			/* the pager is at it */
	LIST_ENTRY(pin) link;		/* of its owner, or who keeps it */
	LIST_ENTRY(pin) range_link;	/* of its session's bucket */
	TAILQ_ENTRY(pin) orphan_link;
};

TAILQ_HEAD(pin_queue, pin);

struct pins {
	struct engine *engine;		/* borrowed, as the next three */
	struct pending_table *pending;
	struct segments *segments;
	struct deferred *deferred;
	struct deferred_work work;	/* unpins some of the orphans */
	struct pin_queue orphans;	/* held, and not being unpinned yet */
	uint64_t key[3];		/* nobody can choose buckets */
};

void pins_init(struct pins *ps, struct engine *engine,
	       struct pending_table *pending, struct segments *segments,
	       struct deferred *deferred);

/* A pin that is being asked for.  NULL: out of memory. */
struct pin *pin_add(const struct pins *ps, struct pin_owner *owner,
		    uint64_t first, uint64_t count);

/* The pager has answered Pin. */
void pin_asked(struct pins *ps, struct pin *pin, bool is_held);

/* A held pin of exactly this range, or NULL. */
struct pin *pin_find(const struct pins *ps, const struct pin_owner *owner,
		     uint64_t first, uint64_t count);

/* Unpin its pages now; `like` says who is told when that is done.  Returns
 * false when the table of requests is full.  Not from inside pager calls. */
bool pin_unpin(struct pins *ps, struct pin *pin,
	       const struct pending_entry *like) MUST_CHECK;

void pin_orphan(struct pins *ps, struct pin *pin);
void pins_orphan_all(struct pins *ps, struct pin_owner *owner);

/* Those that are held to `kept`, until pins_orphan_kept(). */
void pins_keep_all(struct pin_list *kept, struct pin_owner *owner);
void pins_orphan_kept(struct pins *ps, struct pin_list *kept);

/* The table of requests may have room again. */
void pins_wake(struct pins *ps);

/* The pager has answered that. */
void pin_released(struct pins *ps, struct pin *pin, int result);

#endif
