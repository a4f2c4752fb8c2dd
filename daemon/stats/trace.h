/* SPDX-License-Identifier: MIT */
/* The fault trace: a ring of the last faults with where their time went, read
 * by administrators at their own pace.  Nothing is kept while nobody reads. */
#ifndef MEMD_STATS_TRACE_H
#define MEMD_STATS_TRACE_H

#include "common/checks.h"
#include "daemon/serve/whom.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct daemon;
struct session;

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
	struct session *session;
	struct whom whom;
	uint64_t position;		/* of the next event to be sent */
	uint64_t dropped;
	LIST_ENTRY(trace_reader) link;
};

struct trace {
	struct trace_event *events;	/* ring; made for the first reader */
	uint64_t capacity;
	uint64_t end;			/* events ever added */
	LIST_HEAD(, trace_reader) readers;
};

void trace_init(struct trace *t, uint64_t capacity);
void trace_fini(struct trace *t);

static inline bool trace_has_readers(const struct trace *t)
{
	return !LIST_EMPTY(&t->readers);
}

void trace_add(struct trace *t, const struct trace_event *event);

/* 0, -ENOMEM.  Asked again, only the filter changes. */
int trace_start(struct trace *t, struct session *s, const struct whom *whom)
	MUST_CHECK;
void trace_stop(struct trace *t, struct session *s);

/* Send readers what is new, as far as they keep up. */
void trace_send(struct daemon *d);

#endif
