/* SPDX-License-Identifier: MIT */
#include "daemon/serve/pin.h"

#include "daemon/engine/engine.h"
#include "daemon/serve/pending.h"
#include "daemon/segments/segments.h"
#include "daemon/system/system.h"
#include <errno.h>

/* One release may take the pager as long as a turn's work. */
enum { RELEASES_PER_TURN = 8 };

/* `pin` is held, and is not being unpinned. */
static void pins_queue(struct pins *ps, struct pin *pin)
{
	TAILQ_INSERT_TAIL(&ps->orphans, pin, orphan_link);
	defer(ps->deferred, &ps->work);
}

static struct pin_list *pin_bucket(const struct pins *ps,
				   const struct pin_owner *owner,
				   uint64_t first, uint64_t count)
{
	uint64_t sum = first * (ps->key[0] | 1) + count * (ps->key[1] | 1) +
		       owner->segment_number * (ps->key[2] | 1);

	return &owner->book->bucket[sum >> (64 - PIN_BUCKET_BITS)];
}

struct pin *pin_add(const struct pins *ps, struct pin_owner *owner,
		    uint64_t first, uint64_t count)
{
	struct pin *pin = calloc(1, sizeof(*pin));

	if (pin == NULL)
		return NULL;
	*pin = (struct pin){
		.owner = owner,
		.segment_number = owner->segment_number,
		.pager_id = owner->pager_id,
		.first = first,
		.count = count,
		.is_busy = true,
	};
	LIST_INSERT_HEAD(&owner->pins, pin, link);
	LIST_INSERT_HEAD(pin_bucket(ps, owner, first, count), pin,
			 range_link);
	owner->book->count++;
	return pin;
}

static void pin_disown(struct pin *pin)
{
	LIST_REMOVE(pin, link);
	LIST_REMOVE(pin, range_link);
	pin->owner->book->count--;
	pin->owner = NULL;
}

static void pin_free(struct pin *pin)
{
	if (pin->owner != NULL)
		pin_disown(pin);
	free(pin);
}

void pin_asked(struct pins *ps, struct pin *pin, bool is_held)
{
	pin->is_busy = false;
	pin->is_held = is_held;
	if (!is_held)
		pin_free(pin);
	else if (pin->owner == NULL)
		pins_queue(ps, pin);
}

struct pin *pin_find(const struct pins *ps, const struct pin_owner *owner,
		     uint64_t first, uint64_t count)
{
	struct pin *pin;

	LIST_FOREACH(pin, pin_bucket(ps, owner, first, count), range_link)
		if (pin->is_held && pin->owner == owner &&
		    pin->first == first && pin->count == count)
			return pin;
	return NULL;
}

bool pin_unpin(struct pins *ps, struct pin *pin,
	       const struct pending_entry *like)
{
	uint64_t cookie;

	ASSERT(pin->is_held && !pin->is_busy);
	if (!pending_add(ps->pending, like, &cookie))
		return false;
	pin_disown(pin);
	pin->is_busy = true;
	engine_advise(ps->engine, pin->pager_id, pin->first, pin->count,
		      PAGER_UNPIN, cookie);
	return true;
}

void pin_orphan(struct pins *ps, struct pin *pin)
{
	pin_disown(pin);
	if (!pin->is_busy)
		pins_queue(ps, pin);
}

void pins_keep_all(struct pin_list *kept, struct pin_owner *owner)
{
	struct pin *pin, *next;

	for (pin = LIST_FIRST(&owner->pins); pin != NULL; pin = next) {
		next = LIST_NEXT(pin, link);
		if (pin->is_busy)
			continue;
		pin_disown(pin);
		LIST_INSERT_HEAD(kept, pin, link);
	}
}

void pins_orphan_kept(struct pins *ps, struct pin_list *kept)
{
	struct pin *pin;

	while ((pin = LIST_FIRST(kept)) != NULL) {
		LIST_REMOVE(pin, link);
		pins_queue(ps, pin);
	}
}

void pins_orphan_all(struct pins *ps, struct pin_owner *owner)
{
	struct pin *pin;

	while ((pin = LIST_FIRST(&owner->pins)) != NULL)
		pin_orphan(ps, pin);
}

void pin_released(struct pins *ps, struct pin *pin, int result)
{
	pin->is_busy = false;
	if (result != -EBUSY)
		pin_free(pin);
	else			/* try again */
		pins_queue(ps, pin);
}

/* Returns false if the table of requests is full. */
static bool pin_release(struct pins *ps, struct pin *pin)
{
	struct segment *segment = segments_find_pager_id(ps->segments,
							 pin->pager_id);
	struct pending_entry like = { .kind = PENDING_UNPIN, .pin = pin };
	uint64_t cookie;

	if (segment != NULL && segment->id == pin->segment_number &&
	    !pending_add(ps->pending, &like, &cookie))
		return false;
	TAILQ_REMOVE(&ps->orphans, pin, orphan_link);
	if (segment == NULL || segment->id != pin->segment_number) {
		pin_free(pin);		/* the segment is gone */
		return true;
	}
	pin->is_busy = true;
	engine_advise(ps->engine, pin->pager_id, pin->first, pin->count,
		      PAGER_UNPIN, cookie);
	return true;
}

void pins_wake(struct pins *ps)
{
	if (!TAILQ_EMPTY(&ps->orphans))
		defer(ps->deferred, &ps->work);
}

static void pins_release(void *arg)
{
	struct pins *ps = arg;
	struct pin *last = TAILQ_LAST(&ps->orphans, pin_queue), *pin;

	/* A pin that must be tried again goes behind `last`, so each is tried
	 * once. */
	for (unsigned n = 0; n < RELEASES_PER_TURN; n++) {
		pin = TAILQ_FIRST(&ps->orphans);
		if (pin == NULL || !pin_release(ps, pin) || pin == last)
			return;
	}
	pins_wake(ps);
}

void pins_init(struct pins *ps, struct engine *engine,
	       struct pending_table *pending, struct segments *segments,
	       struct deferred *deferred)
{
	ps->engine = engine;
	ps->pending = pending;
	ps->segments = segments;
	ps->deferred = deferred;
	ps->work = (struct deferred_work){ .run = pins_release, .ctx = ps };
	TAILQ_INIT(&ps->orphans);
	system_random(ps->key, sizeof(ps->key));
}
