/* SPDX-License-Identifier: MIT */
/* Deferred work: work that must not be done inside the callback that finds it
 * necessary.  It is put on a list, and the owner of the list does it later.
 *
 * Threads: one. */
#ifndef MEMD_COMMON_DEFERRED_H
#define MEMD_COMMON_DEFERRED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct deferred_work {
	void (*run)(void *ctx);
	void *ctx;
	bool is_due;			/* it is on the list */
	TAILQ_ENTRY(deferred_work) link;
};

TAILQ_HEAD(deferred_queue, deferred_work);

struct deferred {
	struct deferred_queue due;
};

static inline void deferred_init(struct deferred *list)
{
	TAILQ_INIT(&list->due);
}

static inline bool deferred_is_empty(const struct deferred *list)
{
	return TAILQ_EMPTY(&list->due);
}

/* Have the work run once; it may be on the list already.  Borrowed until it has
 * run. */
static inline void defer(struct deferred *list, struct deferred_work *work)
{
	if (work->is_due)
		return;
	work->is_due = true;
	TAILQ_INSERT_TAIL(&list->due, work, link);
}

/* Run the work on the list, in the order in which it was added.  Work that is
 * added meanwhile waits for the next call. */
static inline void deferred_run(struct deferred *list)
{
	struct deferred_work *last = TAILQ_LAST(&list->due, deferred_queue);
	struct deferred_work *work = NULL;

	while (work != last) {
		work = TAILQ_FIRST(&list->due);
		TAILQ_REMOVE(&list->due, work, link);
		work->is_due = false;
		work->run(work->ctx);
	}
}

#endif
