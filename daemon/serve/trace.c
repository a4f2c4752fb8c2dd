/* SPDX-License-Identifier: MIT */
#include "daemon/serve/trace.h"

#include "daemon/net/conn_output.h"
#include "daemon/stats/stats.h"
#include <errno.h>

enum { EVENTS_PER_MESSAGE = 128 };

static const char trace_kind_used[] = "used";

void trace_fini(struct trace *t)
{
	free(t->events);
	*t = (struct trace){ 0 };
}

void trace_add(struct trace *t, const struct trace_event *event)
{
	t->events[t->end % t->capacity] = *event;
	t->end++;
	defer(t->deferred, &t->work);
}

/* The newest event, if every reader has still to get it; else NULL. */
static struct trace_event *trace_find_unsent(const struct trace *t)
{
	const struct trace_reader *reader;

	if (t->end == 0)
		return NULL;
	LIST_FOREACH(reader, &t->readers, link)
		if (reader->position == t->end)
			return NULL;
	return &t->events[(t->end - 1) % t->capacity];
}

/* Add the pages of `more` to the event.  False: they do not belong to it. */
static bool trace_extend(struct trace_event *event,
			 const struct trace_event *more)
{
	uint64_t end = event->ready_first + event->ready_count;
	uint64_t more_end = more->ready_first + more->ready_count;

	if (event->kind != trace_kind_used || event->session != more->session ||
	    event->segment_number != more->segment_number ||
	    more->ready_first > end || more_end < event->ready_first)
		return false;
	event->page = event->ready_first = MIN(event->ready_first,
					       more->ready_first);
	event->ready_count = MAX(end, more_end) - event->ready_first;
	return true;
}

void trace_add_used(struct trace *t, const struct trace_event *pages)
{
	struct trace_event *last = trace_find_unsent(t);
	struct trace_event event = *pages;

	if (last != NULL && trace_extend(last, pages))
		return;
	event.kind = trace_kind_used;
	trace_add(t, &event);
}

int trace_subscribe(struct trace *t, struct trace_reader **ret_reader,
		    struct conn *to, const struct whom *whom)
{
	struct trace_reader *reader = *ret_reader;

	if (reader != NULL) {
		reader->whom = *whom;
		return 0;
	}
	if (t->events == NULL)
		t->events = calloc(t->capacity, sizeof(*t->events));
	reader = calloc(1, sizeof(*reader));
	if (t->events == NULL || reader == NULL) {
		free(reader);
		return -ENOMEM;
	}
	reader->to = to;
	reader->whom = *whom;
	reader->position = t->end;
	LIST_INSERT_HEAD(&t->readers, reader, link);
	*ret_reader = reader;
	return 0;
}

void trace_unsubscribe(struct trace *t, struct trace_reader *reader)
{
	if (reader == NULL)
		return;
	LIST_REMOVE(reader, link);
	free(reader);
	if (LIST_EMPTY(&t->readers)) {
		free(t->events);
		t->events = NULL;
	}
}

static void fill_event(const struct trace_event *from, Memd__TraceEvent *to)
{
	memd__trace_event__init(to);
	to->time_ns = from->time_ns;
	to->pid = (uint32_t)from->pid;
	to->has_session = true;
	to->session = from->session;
	to->segment = from->segment_number;
	to->page = from->page;
	to->kind = (char *)from->kind;
	to->frame_wait_ns = from->frame_wait_ns;
	to->io_ns = from->io_ns;
	to->install_ns = from->install_ns;
	to->total_ns = from->total_ns;
	to->has_ready_count = true;
	to->ready_count = from->ready_count;
	to->has_ready_first = from->ready_count != 0;
	to->ready_first = from->ready_first;
	to->has_error = from->error != 0;
	to->error = (uint32_t)-from->error;
}

/* Skip the events that were overwritten before the reader got them. */
static void skip_overwritten(const struct trace *t, struct trace_reader *reader)
{
	uint64_t behind = t->end - reader->position;

	if (behind <= t->capacity)
		return;
	reader->dropped += behind - t->capacity;
	t->stats->trace_dropped += behind - t->capacity;
	reader->position = t->end - t->capacity;
}

/* Send one message.  Returns false if there was nothing to send. */
static bool send_events(const struct trace *t, struct trace_reader *reader)
{
	Memd__TraceEvent event[EVENTS_PER_MESSAGE];
	Memd__TraceEvent *pointer[EVENTS_PER_MESSAGE];
	Memd__TraceEvents message = MEMD__TRACE_EVENTS__INIT;
	size_t n = 0;

	while (n < EVENTS_PER_MESSAGE && reader->position < t->end) {
		const struct trace_event *from =
			&t->events[reader->position++ % t->capacity];

		if (!whom_is(&reader->whom, from->pid, from->session))
			continue;
		fill_event(from, &event[n]);
		pointer[n] = &event[n];
		n++;
	}
	if (n == 0 && reader->dropped == 0)
		return false;
	message.n_event = n;
	message.event = pointer;
	message.has_dropped = reader->dropped != 0;
	message.dropped = reader->dropped;
	reader->dropped = 0;
	conn_send(reader->to, MEMD__MESSAGE_TYPE__TYPE_TRACE_EVENTS, 0,
		  &message.base);
	return true;
}

/* Send each reader as much as it reads. */
static void trace_send(void *arg)
{
	struct trace *t = arg;
	struct trace_reader *reader;

	LIST_FOREACH(reader, &t->readers, link) {
		skip_overwritten(t, reader);
		while (reader->position < t->end &&
		       !conn_is_clogged(reader->to) &&
		       reader->to->state == CONN_MAIN)
			if (!send_events(t, reader))
				break;
	}
}

void trace_init(struct trace *t, struct stats *stats,
		struct deferred *deferred, uint64_t capacity)
{
	*t = (struct trace){ .stats = stats, .deferred = deferred,
			     .capacity = capacity };
	t->work = (struct deferred_work){ .run = trace_send, .ctx = t };
	LIST_INIT(&t->readers);
}
