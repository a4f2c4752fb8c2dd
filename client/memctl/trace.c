/* SPDX-License-Identifier: MIT */
/* memctl trace: shows faults as they happen, one on each line, until Ctrl-C,
 * until --count is reached, or until the reader of the lines has gone.  With
 * --save it writes to a file, at the end, which pages were used, in their
 * order. */
#include "client/memctl/saving.h"
#include "client/memctl/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct trace {
	uint64_t count_max;		/* 0: no limit */
	uint64_t count, dropped;
	bool has_begun;			/* an event has come */
	uint64_t first_ns;		/* time of the first event shown */
	struct report *report;		/* NULL: events are saved, not shown */
	const char *save_path;		/* NULL: events are shown, not saved */
	struct saving saving;
};

enum { KEY_SAVE = OPTIONS_KEY_OWN };

static const struct argp_option trace_options[] = {
	{ "count", 'n', "N", 0, "Stop after N faults", 1 },
	{ "save", KEY_SAVE, "FILE", 0,
	  "Show nothing, but save to FILE which pages were used, in their "
	  "order, for `memctl replay'", 1 },
	{ 0 },
};

static void trace_take(struct memctl *mc, struct argp_state *state, int key,
		       char *text)
{
	struct trace *tr = mc->wish;

	if (key == ARGP_KEY_ARG)
		verb_take_client(mc, state, key, text);
	else if (key == 'n')
		tr->count_max = options_parse_count(state, text);
	else if (key == KEY_SAVE)
		tr->save_path = text;
}

/* ---- showing */

static void trace_add_time(struct report *rp, const void *message)
{
	const Memd__TraceEvent *ev = message;
	const struct trace *tr = report_context(rp);
	/* An event is sent when it ends, so it may have begun before the first
	 * one shown. */
	bool is_after = ev->time_ns >= tr->first_ns;
	uint64_t since_ns = is_after ? ev->time_ns - tr->first_ns :
				       tr->first_ns - ev->time_ns;
	char when[32];

	snprintf(when, sizeof(when), "%c%" PRIu64 ".%06u", is_after ? '+' : '-',
		 since_ns / 1000000000,
		 (unsigned)(since_ns % 1000000000 / 1000));
	report_text(rp, when);
}

static void trace_add_error(struct report *rp, const void *message)
{
	const Memd__TraceEvent *ev = message;

	report_text(rp, ev->error != 0 ? strerror((int)ev->error) : NULL);
}

static const struct report_column trace_columns[] = {
	COLUMN("TIME", NULL, TEXT, .width = 12, .add = trace_add_time),
	COLUMN(NULL, "time_ns", NUMBER),
	COLUMN("PID", "pid", CLIENT, .width = 7),
	COLUMN("SEGMENT", "segment", NUMBER, .width = 7),
	COLUMN("PAGE", "page", NUMBER, .width = 9),
	COLUMN("KIND", "kind", TEXT, .width = 8),
	COLUMN("FRAME", "frame_wait_ns", TIME, .width = 7),
	COLUMN("READ", "io_ns", TIME, .width = 7),
	COLUMN("INSTALL", "install_ns", TIME, .width = 7),
	COLUMN("TOTAL", "total_ns", TIME, .width = 7),
	COLUMN("PAGES", "ready_count", NUMBER, .flags = REPORT_OR_ZERO,
	       .width = 5),
	COLUMN("ERROR", NULL, TEXT, .width = 1, .add = trace_add_error),
	COLUMN(NULL, "error", NUMBER, .flags = REPORT_OR_ZERO),
	COLUMN(NULL, "session", SESSION),
};

static const struct report_form trace_form =
	REPORT_FORM(STREAM, "trace", trace_columns);

/* ---- taking */

static bool trace_is_complete(const struct trace *tr)
{
	return (tr->count_max != 0 && tr->count >= tr->count_max) ||
	       (tr->save_path != NULL && tr->saving.order.is_full);
}

/* Other events tell of pages that came in or were used without a fault. */
static bool trace_is_fault(const Memd__TraceEvent *ev)
{
	return strcmp(ev->kind, "ahead") != 0 && strcmp(ev->kind, "used") != 0;
}

/* Returns an exit code; a failure was printed. */
static int trace_take_event(struct trace *tr, const Memd__TraceEvent *ev)
{
	if (!tr->has_begun)
		tr->first_ns = ev->time_ns;
	tr->has_begun = true;
	tr->count += trace_is_fault(ev);
	if (tr->save_path != NULL)
		return saving_take(&tr->saving, ev);
	report_row(tr->report, ev, tr);
	return EXIT_CODE_OK;
}

/* Returns an exit code; a failure was printed. */
static int trace_take_events(struct trace *tr, struct connection *c)
{
	Memd__TraceEvents *events = NULL;
	struct failure failure;
	int code = EXIT_CODE_OK;

	if (connection_receive_trace(c, &events, &failure) != 0)
		return memctl_fail(&failure);
	if (events == NULL)
		return EXIT_CODE_OK;
	tr->dropped += events->dropped;
	for (size_t i = 0; i < events->n_event && !trace_is_complete(tr) &&
			   code == EXIT_CODE_OK; i++)
		code = trace_take_event(tr, events->event[i]);
	protobuf_c_message_free_unpacked(&events->base, NULL);
	if (tr->report == NULL || report_print(tr->report) == 0)
		return code;
	memctl_complain("not enough memory to print this: free some");
	return EXIT_CODE_FAILED;
}

enum { DRAIN_MESSAGES_MAX = 65536 };

/* After Ctrl-C: take the events that memd has sent until now. */
static int trace_drain(struct trace *tr, struct connection *c)
{
	struct pollfd fd = { .fd = connection_fd(c), .events = POLLIN };
	int code = EXIT_CODE_OK;

	for (unsigned n = 0; n < DRAIN_MESSAGES_MAX && !trace_is_complete(tr) &&
			     code == EXIT_CODE_OK &&
			     (connection_has_input(c) ||
			      poll(&fd, 1, 0) > 0); n++)
		code = trace_take_events(tr, c);
	return code;
}

/* Wait for memd's messages and for Ctrl-C together.  So Ctrl-C takes effect
 * between two messages, when all lines are printed. */
static int trace_watch(struct trace *tr, struct connection *c, int signal_fd)
{
	struct pollfd fds[] = {
		{ .fd = connection_fd(c), .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
		/* To see when the reader has gone. */
		{ .fd = STDOUT_FILENO, .events = 0 },
	};

	while (!trace_is_complete(tr) && !ferror(stdout)) {
		bool has_input = connection_has_input(c);
		int code;

		if (poll(fds, ARRAY_SIZE(fds), has_input ? 0 : -1) < 0) {
			if (errno == EINTR)
				continue;
			memctl_complain("cannot wait for events: %s",
					strerror(errno));
			return EXIT_CODE_FAILED;
		}
		if (fds[1].revents != 0)
			return tr->save_path != NULL ? trace_drain(tr, c) :
						       EXIT_CODE_OK;
		if (fds[2].revents & POLLERR && tr->save_path == NULL)
			return EXIT_CODE_OK;
		if (fds[0].revents == 0 && !has_input)
			continue;
		code = trace_take_events(tr, c);
		if (code != EXIT_CODE_OK)
			return code;
	}
	return EXIT_CODE_OK;
}

/* Returns an exit code; a failure was printed. */
static int trace_start(const struct memctl *mc, struct connection **ret_c)
{
	ProtobufCMessage *ok;
	struct failure failure;
	int code = memctl_connect(mc, ret_c);

	if (code == EXIT_CODE_OK &&
	    connection_ask(*ret_c, ASK_TRACE, mc->request, &ok, &failure) != 0)
		code = memctl_fail(&failure);
	return code;
}

static void trace_tell_count(const struct memctl *mc, const struct trace *tr)
{
	if (mc->style.format != REPORT_TABLE && tr->dropped == 0)
		return;
	fflush(stdout);
	fprintf(stderr, "%" PRIu64 " faults %s, %" PRIu64
		" dropped because memctl was too slow\n", tr->count,
		tr->save_path != NULL ? "seen" : "shown", tr->dropped);
}

/* Returns an exit code; a failure was printed. */
static int trace_follow(struct memctl *mc, struct trace *tr, int signal_fd)
{
	struct connection *c = NULL;
	int code = trace_start(mc, &c);

	if (code != EXIT_CODE_OK) {
		connection_close(c);
		return code;
	}
	code = trace_watch(tr, c, signal_fd);
	connection_close(c);
	/* If memd has gone, save what was seen until then. */
	if (tr->save_path != NULL) {
		int save_code = saving_commit(&tr->saving);

		code = code != EXIT_CODE_OK ? code : save_code;
	}
	trace_tell_count(mc, tr);
	return code;
}

/* Returns an exit code; a failure was printed. */
static int trace_prepare(const struct memctl *mc, struct trace *tr)
{
	if (tr->save_path != NULL)
		return saving_begin(&tr->saving, mc, tr->save_path);
	tr->report = report_create(&trace_form, &mc->style);
	if (tr->report != NULL)
		return EXIT_CODE_OK;
	memctl_complain("cannot start: not enough memory");
	return EXIT_CODE_FAILED;
}

static int trace_run(struct memctl *mc)
{
	struct trace *tr = mc->wish;
	sigset_t end_signals;
	int signal_fd, code;

	sigemptyset(&end_signals);
	sigaddset(&end_signals, SIGINT);
	sigaddset(&end_signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &end_signals, NULL);
	signal_fd = signalfd(-1, &end_signals, SFD_CLOEXEC);
	if (signal_fd < 0) {
		memctl_complain("cannot start: %s", strerror(errno));
		return EXIT_CODE_FAILED;
	}
	code = trace_prepare(mc, tr);
	if (code == EXIT_CODE_OK)
		code = trace_follow(mc, tr, signal_fd);
	report_destroy(tr->report);
	saving_end(&tr->saving);
	close(signal_fd);
	return code;
}

const struct verb verb_trace = {
	.name = "trace", .summary = "faults as they happen",
	.arguments = "[CLIENT]", .usage = "[PID|sID]",
	.help = "Show faults as they happen, of process PID, of session ID, or "
		"of all: when (seconds after the first one shown), who, which "
		"page of which segment, the kind, how long it waited for a "
		"frame, for its bytes to be read and to be put in, how long in "
		"all, and how many pages it made ready.  Ends with Ctrl-C.\v"
		"--save saves the pages that programs have used, not those "
		"that memd has only read ahead.  It sees the pages that memd "
		"is asked for, not those that are in the pool already: take "
		"them out before, with `memctl evict'.",
	.options = trace_options, .argument_max = 1, .take = trace_take,
	.wish_bytes = sizeof(struct trace),
	.request = &memd__trace_request__descriptor, .run = trace_run,
};
