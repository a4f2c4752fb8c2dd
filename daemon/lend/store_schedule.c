/* SPDX-License-Identifier: MIT */
#include "daemon/lend/store_schedule.h"

#include "common/checks.h"
#include "daemon/daemon.h"
#include "daemon/serve/session.h"
#include "daemon/lend/store_flow.h"
#include "daemon/lend/store_op.h"
#include "daemon/lend/store_step.h"
#include "daemon/lend/stores.h"
#include <errno.h>

enum {
	STEP_PAGES = 256,	/* copied before others have their turn */
	/* Ops that the pager is at, of all stores: no more than it takes. */
	ASKED_MAX = PAGER_ADVICE_RESERVED,
	RETRY_MS = 10,
};

void store_schedule_add(struct store *store)
{
	if (store->is_due || store->is_starved)
		return;
	store->is_due = true;
	store->stores->is_full = false;
	TAILQ_INSERT_TAIL(&store->stores->due, store, due_link);
}

static void unset_due(struct stores *ss, struct store *store)
{
	TAILQ_REMOVE(&ss->due, store, due_link);
	store->is_due = false;
}

static bool has_pin_room(const struct stores *ss, const struct store_op *op)
{
	return op->step != STORE_STEP_PIN || op->chunk != 0 ||
	       ss->pinned_pages < ss->pinned_max;
}

/* The first that can start.  *ret_lacks_pins: one only waits for these.  A read
 * that finds no room for its reply keeps those after it waiting: short ones
 * would take what becomes free, and a long one never have its turn. */
static struct store_op *pick(const struct stores *ss,
			     const struct store *store, bool *ret_lacks_pins)
{
	bool is_output_full = false;
	struct store_op *op;

	TAILQ_FOREACH(op, &store->ready, work_link) {
		if (store_flow_needs_room(op) && !is_output_full)
			is_output_full = !store_flow_has_room(op);
		if (store_flow_needs_room(op) && is_output_full)
			continue;
		if (has_pin_room(ss, op))
			return op;
		*ret_lacks_pins = true;
	}
	return NULL;
}

/* One request of the store that has waited longest.  Returns how many pages
 * were copied. */
static uint64_t start_one(struct stores *ss)
{
	for (uint32_t left = ss->count; left > 0; left--) {
		struct store *store = TAILQ_FIRST(&ss->due);
		bool lacks_pins = false;
		struct store_op *op;

		if (store == NULL)
			return 0;
		unset_due(ss, store);
		op = pick(ss, store, &lacks_pins);
		if (op != NULL) {
			TAILQ_REMOVE(&store->ready, op, work_link);
			store_schedule_add(store);
			return store_step_start(op);
		}
		if (lacks_pins)
			store_schedule_add(store);
		if (store_flow_release(store))
			return 0;
	}
	ss->is_full = !TAILQ_EMPTY(&ss->due);
	return 0;
}

static bool can_start(const struct stores *ss)
{
	return !TAILQ_EMPTY(&ss->due) && !ss->is_full &&
	       ss->asked_count < ASKED_MAX;
}

bool store_schedule_has_work(const struct stores *ss)
{
	return !TAILQ_EMPTY(&ss->answered) || can_start(ss);
}

void store_schedule_step(struct daemon *d)
{
	struct stores *ss = &d->stores;
	uint64_t left = STEP_PAGES, cost;
	struct store_op *op;

	while (left > 0 && store_schedule_has_work(ss)) {
		op = TAILQ_FIRST(&ss->answered);
		if (op == NULL) {
			cost = 1 + start_one(ss);
			left -= MIN(left, cost);
			continue;
		}
		left -= MIN(left, 1 + op->chunk);
		TAILQ_REMOVE(&ss->answered, op, work_link);
		store_step_take_answer(op);
	}
}

void store_schedule_drained(struct session *s)
{
	struct store *store = s->store;

	if (store != NULL &&
	    (s->main->is_held || !TAILQ_EMPTY(&store->ready)))
		store_schedule_add(store);
}

/* ---- waiting for pins */

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct stores *ss = arg;
	struct store *store;

	(void)fd;
	(void)what;
	while ((store = TAILQ_FIRST(&ss->starved)) != NULL) {
		TAILQ_REMOVE(&ss->starved, store, due_link);
		store->is_starved = false;
		store_schedule_add(store);
	}
	daemon_settle(ss->daemon);
}

static int make_retry(struct stores *ss)
{
	if (ss->has_retry)
		return 0;
	if (event_assign(&ss->retry, ss->daemon->base, -1, 0, on_retry, ss) !=
	    0)
		return -ENOMEM;
	(void)event_priority_set(&ss->retry, PRIORITY_ADMIN);
	ss->has_retry = true;
	return 0;
}

/* Without a timer it would not be woken: then it goes on at once. */
void store_schedule_starve(struct store *store)
{
	const struct timeval delay = { .tv_usec = RETRY_MS * 1000 };
	struct stores *ss = store->stores;

	if (store->is_starved || make_retry(ss) != 0 ||
	    (!event_pending(&ss->retry, EV_TIMEOUT, NULL) &&
	     event_add(&ss->retry, &delay) != 0))
		return;
	if (store->is_due)
		unset_due(ss, store);
	store->is_starved = true;
	TAILQ_INSERT_TAIL(&ss->starved, store, due_link);
}

void store_schedule_fini(struct stores *ss)
{
	if (ss->has_retry)
		(void)event_del(&ss->retry);
}
