/* SPDX-License-Identifier: MIT */
/* memctl trace: faults as they happen, a line each, until Ctrl-C, until
 * --count is reached, or until nobody reads the lines any more.  Or, with
 * --save, which pages came in which order, to a file at the end. */
#include "client/memctl/memctl.h"
#include "client/memctl/saving.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct trace {
	struct client_name client;	/* none: all */
	uint64_t count_max;		/* 0: no end */
	uint64_t count, dropped;
	uint64_t first_ns;		/* time of the first event shown */
	struct report *report;		/* NULL: they are saved instead */
	const char *save_path;		/* NULL: they are shown */
	struct saving saving;
};

enum { KEY_SAVE = 0x200 };

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Stop after N faults", 1 },
	{ "save", KEY_SAVE, "FILE", 0,
	  "Show nothing, but save to FILE which pages came in, in their order, "
	  "for `memctl replay'", 1 },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct trace *tr = state->input;

	switch (key) {
	case 'n':
		tr->count_max = memctl_parse_count(state, text);
		return 0;
	case KEY_SAVE:
		tr->save_path = text;
		return 0;
	default:
		return memctl_parse_client_argument(key, text, state,
						    &tr->client);
	}
}

static const struct argp trace_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[PID|sID]",
	.doc = "Show faults as they happen, of process PID, of session ID, or "
	       "of all: when "
	       "(seconds after the first one shown), who, which page of which "
	       "segment, the kind, how long it waited for a frame, for its "
	       "bytes to be read and to be put in, how long in all, and how "
	       "many pages it made ready.  Ends with Ctrl-C.\v"
	       "--save sees the pages that memd is asked for, not those that "
	       "are in the pool already: take them out before, with `memctl "
	       "evict'.",
};

static const struct report_column columns[] = {
	{ "TIME", NULL, REPORT_TEXT, 0, 12 },
	{ NULL, "time_ns", REPORT_NUMBER, 0, 0 },
	{ "PID", "pid", REPORT_NUMBER, 0, 7 },
	{ "SEGMENT", "segment", REPORT_NUMBER, 0, 7 },
	{ "PAGE", "page", REPORT_NUMBER, 0, 9 },
	{ "KIND", "kind", REPORT_TEXT, 0, 8 },
	{ "FRAME", "frame_wait_ns", REPORT_TIME, 0, 7 },
	{ "READ", "io_ns", REPORT_TIME, 0, 7 },
	{ "INSTALL", "install_ns", REPORT_TIME, 0, 7 },
	{ "TOTAL", "total_ns", REPORT_TIME, 0, 7 },
	{ "PAGES", "ready_count", REPORT_NUMBER, 0, 5 },
	{ "ERROR", NULL, REPORT_TEXT, 0, 1 },
	{ NULL, "error", REPORT_NUMBER, 0, 0 },
	{ NULL, "session", REPORT_NUMBER, 0, 0 },
};

static void add_event(struct trace *tr, const Memd__TraceEvent *ev)
{
	struct report *rp = tr->report;
	uint64_t since_ns;
	char when[32];

	if (tr->count == 0)
		tr->first_ns = ev->time_ns;
	/* Events are told as they end: one may have begun before the first. */
	since_ns = ev->time_ns >= tr->first_ns ? ev->time_ns - tr->first_ns :
						 tr->first_ns - ev->time_ns;
	snprintf(when, sizeof(when), "%c%" PRIu64 ".%06u",
		 ev->time_ns >= tr->first_ns ? '+' : '-',
		 since_ns / 1000000000,
		 (unsigned)(since_ns % 1000000000 / 1000));
	report_text(rp, when);
	report_number(rp, ev->time_ns);
	report_client(rp, ev->pid, ev->session);
	report_number(rp, ev->segment);
	report_number(rp, ev->page);
	report_text(rp, ev->kind);
	report_number(rp, ev->frame_wait_ns);
	report_number(rp, ev->io_ns);
	report_number(rp, ev->install_ns);
	report_number(rp, ev->total_ns);
	report_number(rp, ev->has_ready_count ? ev->ready_count : 0);
	report_text(rp, ev->error != 0 ? strerror((int)ev->error) : NULL);
	report_number(rp, ev->error);
	report_session(rp, ev->session);
	report_end_row(rp);
	tr->count++;
}

static bool is_complete(const struct trace *tr)
{
	return (tr->count_max != 0 && tr->count >= tr->count_max) ||
	       (tr->save_path != NULL && tr->saving.order.is_full);
}

/* Returns an exit code; failures have been printed. */
static int take_event(struct trace *tr, const Memd__TraceEvent *ev)
{
	if (tr->save_path == NULL) {
		add_event(tr, ev);
		return EXIT_CODE_OK;
	}
	tr->count++;
	return saving_take(&tr->saving, ev);
}

/* Returns an exit code; failures have been printed. */
static int take_events(struct trace *tr, struct connection *c)
{
	Memd__TraceEvents *events = NULL;
	struct failure failure;
	int code = EXIT_CODE_OK;

	if (connection_receive_trace(c, &events, &failure) != 0)
		return memctl_fail(&failure);
	if (events == NULL)
		return EXIT_CODE_OK;
	tr->dropped += events->dropped;
	for (size_t i = 0; i < events->n_event && !is_complete(tr) &&
			   code == EXIT_CODE_OK; i++)
		code = take_event(tr, events->event[i]);
	protobuf_c_message_free_unpacked(&events->base, NULL);
	if (tr->report == NULL || report_print(tr->report) == 0)
		return code;
	memctl_complain("not enough memory to print this: free some");
	return EXIT_CODE_FAILED;
}

enum { DRAIN_MESSAGES_MAX = 65536 };

/* Ctrl-C: what memd has sent until then is taken. */
static int drain(struct trace *tr, struct connection *c)
{
	struct pollfd fd = { .fd = connection_fd(c), .events = POLLIN };
	int code = EXIT_CODE_OK;

	for (unsigned n = 0; n < DRAIN_MESSAGES_MAX && !is_complete(tr) &&
			     code == EXIT_CODE_OK &&
			     (connection_has_input(c) ||
			      poll(&fd, 1, 0) > 0); n++)
		code = take_events(tr, c);
	return code;
}

/* Ctrl-C is waited for beside memd's messages, so that it takes effect between
 * two of them, with all lines out. */
static int watch(struct trace *tr, struct connection *c, int signal_fd)
{
	struct pollfd fds[] = {
		{ .fd = connection_fd(c), .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = STDOUT_FILENO, .events = 0 },	/* reader gone? */
	};

	while (!is_complete(tr) && !ferror(stdout)) {
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
			return tr->save_path != NULL ? drain(tr, c) :
						       EXIT_CODE_OK;
		if (fds[2].revents & POLLERR && tr->save_path == NULL)
			return EXIT_CODE_OK;
		if (fds[0].revents == 0 && !has_input)
			continue;
		code = take_events(tr, c);
		if (code != EXIT_CODE_OK)
			return code;
	}
	return EXIT_CODE_OK;
}

/* Returns an exit code; failures have been printed. */
static int start(const struct memctl *mc, const struct trace *tr,
		 struct connection **ret_c)
{
	Memd__TraceRequest request = MEMD__TRACE_REQUEST__INIT;
	ProtobufCMessage *ok;
	struct failure failure;
	struct connection *c = NULL;
	int code = memctl_connect(mc, &c);

	if (code != EXIT_CODE_OK)
		return code;
	request.has_pid = tr->client.pid != 0;
	request.pid = tr->client.pid;
	request.has_session = tr->client.session != 0;
	request.session = tr->client.session;
	if (connection_ask(c, ASK_TRACE, &request.base, &ok, &failure) != 0) {
		connection_close(c);
		return memctl_fail(&failure);
	}
	*ret_c = c;
	return EXIT_CODE_OK;
}

static void tell_count(const struct memctl *mc, const struct trace *tr)
{
	if (mc->style.format != REPORT_TABLE && tr->dropped == 0)
		return;
	fflush(stdout);
	fprintf(stderr, "%" PRIu64 " faults %s, %" PRIu64
		" dropped because memctl was too slow\n", tr->count,
		tr->save_path != NULL ? "seen" : "shown", tr->dropped);
}

static int run(struct memctl *mc, struct trace *tr, int signal_fd)
{
	struct connection *c = NULL;
	int code = start(mc, tr, &c);

	if (code != EXIT_CODE_OK)
		return code;
	code = watch(tr, c, signal_fd);
	connection_close(c);
	/* What was seen until memd went is good, too. */
	if (tr->save_path != NULL) {
		int save_code = saving_commit(&tr->saving);

		code = code != EXIT_CODE_OK ? code : save_code;
	}
	tell_count(mc, tr);
	return code;
}

/* Returns an exit code; failures have been printed. */
static int prepare(const struct memctl *mc, struct trace *tr)
{
	if (tr->save_path != NULL)
		return saving_begin(&tr->saving, mc, tr->save_path);
	tr->report = report_create(REPORT_STREAM, "trace", columns,
				   ARRAY_SIZE(columns), &mc->style);
	if (tr->report != NULL)
		return EXIT_CODE_OK;
	memctl_complain("cannot start: not enough memory");
	return EXIT_CODE_FAILED;
}

int cmd_trace(struct memctl *mc, int argc, char **argv)
{
	struct trace tr = { 0 };
	sigset_t end_signals;
	int signal_fd, code;

	memctl_parse(mc, &trace_argp, argc, argv, &tr);
	sigemptyset(&end_signals);
	sigaddset(&end_signals, SIGINT);
	sigaddset(&end_signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &end_signals, NULL);
	signal_fd = signalfd(-1, &end_signals, SFD_CLOEXEC);
	if (signal_fd < 0) {
		memctl_complain("cannot start: %s", strerror(errno));
		return EXIT_CODE_FAILED;
	}
	code = prepare(mc, &tr);
	if (code == EXIT_CODE_OK)
		code = run(mc, &tr, signal_fd);
	report_destroy(tr.report);
	saving_end(&tr.saving);
	close(signal_fd);
	return code;
}
