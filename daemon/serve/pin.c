/* SPDX-License-Identifier: MIT */
#include "daemon/serve/pin.h"

#include "common/clock.h"
#include "daemon/daemon.h"
#include "daemon/serve/session.h"
#include "daemon/system/system.h"
#include <errno.h>

/* Each is at most a turn's work of the pager. */
enum { RELEASES_PER_TURN = 8 };

void pins_init(struct pins *ps)
{
	TAILQ_INIT(&ps->orphans);
	system_random(ps->key, sizeof(ps->key));
}

static struct pin_list *bucket_of(const struct pins *ps, struct attachment *a,
				  uint64_t first, uint64_t count)
{
	uint64_t sum = first * (ps->key[0] | 1) + count * (ps->key[1] | 1) +
		       a->segment_number * (ps->key[2] | 1);

	return &a->session->pins[sum >> (64 - PIN_BUCKET_BITS)];
}

struct pin *pin_add(const struct pins *ps, struct attachment *a,
		    uint64_t first, uint64_t count)
{
	struct pin *pin = calloc(1, sizeof(*pin));

	if (pin == NULL)
		return NULL;
	*pin = (struct pin){
		.owner = a,
		.segment_number = a->segment_number,
		.pager_id = a->segment->pager_id,
		.first = first,
		.count = count,
		.is_busy = true,
	};
	LIST_INSERT_HEAD(&a->pins, pin, link);
	LIST_INSERT_HEAD(bucket_of(ps, a, first, count), pin, range_link);
	a->session->pin_count++;
	return pin;
}

static void disown(struct pin *pin)
{
	LIST_REMOVE(pin, link);
	LIST_REMOVE(pin, range_link);
	pin->owner->session->pin_count--;
	pin->owner = NULL;
}

static void pin_free(struct pin *pin)
{
	if (pin->owner != NULL)
		disown(pin);
	free(pin);
}

void pin_asked(struct pins *ps, struct pin *pin, bool is_held)
{
	pin->is_busy = false;
	pin->is_held = is_held;
	if (!is_held)
		pin_free(pin);
	else if (pin->owner == NULL)
		TAILQ_INSERT_TAIL(&ps->orphans, pin, orphan_link);
}

struct pin *pin_find(const struct pins *ps, struct attachment *a,
		     uint64_t first, uint64_t count)
{
	struct pin *pin;

	LIST_FOREACH(pin, bucket_of(ps, a, first, count), range_link)
		if (pin->is_held && pin->owner == a && pin->first == first &&
		    pin->count == count)
			return pin;
	return NULL;
}

void pin_orphan(struct pins *ps, struct pin *pin)
{
	disown(pin);
	if (!pin->is_busy)
		TAILQ_INSERT_TAIL(&ps->orphans, pin, orphan_link);
}

void pins_keep_all(struct pin_list *kept, struct attachment *a)
{
	struct pin *pin, *next;

	for (pin = LIST_FIRST(&a->pins); pin != NULL; pin = next) {
		next = LIST_NEXT(pin, link);
		if (pin->is_busy)
			continue;
		disown(pin);
		LIST_INSERT_HEAD(kept, pin, link);
	}
}

void pins_orphan_kept(struct pins *ps, struct pin_list *kept)
{
	struct pin *pin;

	while ((pin = LIST_FIRST(kept)) != NULL) {
		LIST_REMOVE(pin, link);
		TAILQ_INSERT_TAIL(&ps->orphans, pin, orphan_link);
	}
}

void pins_orphan_all(struct pins *ps, struct attachment *a)
{
	struct pin *pin;

	while ((pin = LIST_FIRST(&a->pins)) != NULL)
		pin_orphan(ps, pin);
}

void pin_released(struct pins *ps, struct pin *pin, int result)
{
	pin->is_busy = false;
	if (result != -EBUSY)
		pin_free(pin);
	else			/* it is tried again */
		TAILQ_INSERT_TAIL(&ps->orphans, pin, orphan_link);
}

static void release(struct daemon *d, struct pin *pin)
{
	struct segment *segment = segments_find_pager_id(&d->segments,
							 pin->pager_id);
	struct pending_entry like = { .kind = PENDING_UNPIN, .pin = pin };
	uint64_t cookie;

	if (segment != NULL && segment->id == pin->segment_number &&
	    !pending_add(&d->pending, &like, &cookie))
		return;
	TAILQ_REMOVE(&d->pins.orphans, pin, orphan_link);
	if (segment == NULL || segment->id != pin->segment_number) {
		pin_free(pin);		/* the segment is gone */
		return;
	}
	pin->is_busy = true;
	pager_advise(d->engine.pager, pin->pager_id, pin->first, pin->count,
		     PAGER_UNPIN, cookie, clock_now_ns());
	d->engine.wants_run = true;
}

void pins_release(struct daemon *d)
{
	struct pin *last = TAILQ_LAST(&d->pins.orphans, pin_queue), *pin;

	/* Those that must be tried again come behind the last one. */
	for (unsigned n = 0; n < RELEASES_PER_TURN; n++) {
		pin = TAILQ_FIRST(&d->pins.orphans);
		if (pin == NULL)
			return;
		release(d, pin);
		if (pin == last)
			return;
	}
}
