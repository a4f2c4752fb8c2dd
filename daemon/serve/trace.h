/* SPDX-License-Identifier: MIT */
/* The trace: a ring of the last faults and how long their phases took, and of
 * pages that came in or were used without one.
 * Administrators read it at their own pace.  Nothing is recorded while nobody
 * reads. */
#ifndef MEMD_SERVE_TRACE_H
#define MEMD_SERVE_TRACE_H

#include "common/checks.h"
#include "common/deferred.h"
#include "daemon/serve/whom.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct conn;
struct stats;

struct trace_event {
	uint64_t time_ns;
	pid_t pid;
	uint32_t session;
	uint32_t segment_number;
	uint64_t page;
	const char *kind;
	uint64_t frame_wait_ns, io_ns, install_ns, total_ns;
	uint64_t ready_first, ready_count;
	int error;
};

struct trace_reader {
	struct conn *to;
	struct whom whom;
	uint64_t position;		/* of the next event to be sent */
	uint64_t dropped;
	LIST_ENTRY(trace_reader) link;
};

struct trace {
	struct stats *stats;		/* borrowed, as the next one */
	struct deferred *deferred;
	struct deferred_work work;	/* sends new events to the readers */
	struct trace_event *events;	/* ring; owned; made for the first
					 * reader */
	uint64_t capacity;
	uint64_t end;			/* number of events ever added */
	LIST_HEAD(, trace_reader) readers;
};

void trace_init(struct trace *t, struct stats *stats,
		struct deferred *deferred, uint64_t capacity);
void trace_fini(struct trace *t);

static inline bool trace_has_readers(const struct trace *t)
{
	return !LIST_EMPTY(&t->readers);
}

/* Record an event.  There must be a reader.  May be called from inside the
 * pager. */
void trace_add(struct trace *t, const struct trace_event *event);

/* The same for pages, from ready_first on, that a program has used without a
 * fault that memd was asked about; the kind is "used".  Neighbours become one
 * event. */
void trace_add_used(struct trace *t, const struct trace_event *pages);

/* Send all later events that match `whom` to `to`.  If *reader is not NULL,
 * only its filter changes.  Returns 0 or -ENOMEM. */
int trace_subscribe(struct trace *t, struct trace_reader **reader,
		    struct conn *to, const struct whom *whom) MUST_CHECK;
/* `reader` may be NULL. */
void trace_unsubscribe(struct trace *t, struct trace_reader *reader);

/* Readers may have read: try to send more. */
static inline void trace_wake(struct trace *t)
{
	if (trace_has_readers(t))
		defer(t->deferred, &t->work);
}

#endif
