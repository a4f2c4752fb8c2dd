/* SPDX-License-Identifier: MIT */
#include "daemon/lend/guest_schedule.h"

#include "common/checks.h"
#include "daemon/serve/session.h"
#include "daemon/lend/guest_due.h"
#include "daemon/lend/guest_flow.h"
#include "daemon/lend/guest_step.h"
#include <errno.h>

enum {
	STEP_PAGES = 256,	/* copied in one turn */
	/* Requests of all guests that the pager works on at once: as many as it
	 * accepts. */
	ASKED_MAX = PAGER_ADVICE_RESERVED,
};

static bool has_pin_room(const struct guests *gs, const struct guest_op *op)
{
	return op->step != GUEST_STEP_PIN || op->chunk != 0 ||
	       gs->pinned_pages < gs->pinned_max;
}

/* The first request of the guest that can start, or NULL.  *ret_lacks_pins:
 * some request waits only for pins.  If a read finds no room for its reply,
 * later reads wait, too.  Else short reads would take all room that becomes
 * free, and a long one would never start. */
static struct guest_op *pick_op(const struct guests *gs,
			     const struct guest *guest, bool *ret_lacks_pins)
{
	bool is_output_full = false;
	struct guest_op *op;

	TAILQ_FOREACH(op, &guest->ready, work_link) {
		if (guest_flow_needs_room(op) && !is_output_full)
			is_output_full = !guest_flow_has_room(op);
		if (guest_flow_needs_room(op) && is_output_full)
			continue;
		if (has_pin_room(gs, op))
			return op;
		*ret_lacks_pins = true;
	}
	return NULL;
}

/* Start one request of the guest that has waited longest.  Returns how many
 * pages were copied. */
static uint64_t start_one(struct guests *gs)
{
	for (uint32_t left = gs->count; left > 0; left--) {
		struct guest *guest = TAILQ_FIRST(&gs->due);
		bool lacks_pins = false;
		struct guest_op *op;

		if (guest == NULL)
			return 0;
		guest_due_remove(gs, guest);
		op = pick_op(gs, guest, &lacks_pins);
		if (op != NULL) {
			TAILQ_REMOVE(&guest->ready, op, work_link);
			guest_due_add(guest);
			return guest_step_start(op);
		}
		if (lacks_pins)
			guest_due_add(guest);
		if (guest_flow_release(guest))
			return 0;
	}
	gs->is_full = !TAILQ_EMPTY(&gs->due);
	return 0;
}

static bool can_start(const struct guests *gs)
{
	return !TAILQ_EMPTY(&gs->due) && !gs->is_full &&
	       gs->asked_count < ASKED_MAX;
}

static bool guests_have_work(const struct guests *gs)
{
	return !TAILQ_EMPTY(&gs->answered) || can_start(gs);
}

void guest_schedule_step(struct guests *gs)
{
	uint64_t left = STEP_PAGES, cost;
	struct guest_op *op;

	while (left > 0 && guests_have_work(gs)) {
		op = TAILQ_FIRST(&gs->answered);
		if (op == NULL) {
			cost = 1 + start_one(gs);
			left -= MIN(left, cost);
			continue;
		}
		left -= MIN(left, 1 + op->chunk);
		TAILQ_REMOVE(&gs->answered, op, work_link);
		guest_step_take_answer(op);
	}
	if (guests_have_work(gs))
		defer(gs->deferred, &gs->work);
}

static void guests_go_on(void *arg)
{
	guest_schedule_step(arg);
}

void guest_schedule_init(struct guests *gs)
{
	gs->work = (struct deferred_work){ .run = guests_go_on, .ctx = gs };
}

void guest_schedule_drained(struct session *s)
{
	struct guest *guest = s->guest;

	if (guest != NULL &&
	    (s->main->is_held || !TAILQ_EMPTY(&guest->ready)))
		guest_due_add(guest);
}
