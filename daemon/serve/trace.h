/* SPDX-License-Identifier: MIT */
/* The fault trace: a ring of the last faults with where their time went, read
 * by administrators at their own pace.  Nothing is kept while nobody reads. */
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
	struct deferred_work work;	/* sends readers what is new */
	struct trace_event *events;	/* ring; made for the first reader */
	uint64_t capacity;
	uint64_t end;			/* events ever added */
	LIST_HEAD(, trace_reader) readers;
};

void trace_init(struct trace *t, struct stats *stats,
		struct deferred *deferred, uint64_t capacity);
void trace_fini(struct trace *t);

static inline bool trace_has_readers(const struct trace *t)
{
	return !LIST_EMPTY(&t->readers);
}

void trace_add(struct trace *t, const struct trace_event *event);

/* Let `to` have what happens from now on.  *reader, of its session, is NULL; or
 * else only the filter changes.  0, -ENOMEM. */
int trace_subscribe(struct trace *t, struct trace_reader **reader,
		    struct conn *to, const struct whom *whom) MUST_CHECK;
/* NULL is allowed. */
void trace_unsubscribe(struct trace *t, struct trace_reader *reader);

/* Readers may keep up again. */
static inline void trace_wake(struct trace *t)
{
	if (trace_has_readers(t))
		defer(t->deferred, &t->work);
}

#endif
