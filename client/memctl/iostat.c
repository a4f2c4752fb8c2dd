/* SPDX-License-Identifier: MIT */
/* memctl iostat: input and output, one line for each interval.  The first line
 * is for the whole time since memd started.  The figures come from memd's
 * counters, which are read on one connection. */
#include "client/memctl/verbs.h"

#include "common/clock.h"
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct iostat {
	uint64_t interval_ms;		/* 0: one line only */
	uint64_t count_max;		/* 0: no limit */
	struct report *report;
};

enum figure {
	PAGES_READ, PAGES_WRITTEN, READ_BYTES, WRITE_BYTES, READS, WRITES,
	FAULTS_ASKED, FAULTS_WAITING, FREE_FRAMES, FRAME_COUNT,
	FIGURES
};

/* The names of memd's counters. */
static const char *const iostat_names[FIGURES] = {
	[PAGES_READ] = "pages_read", [PAGES_WRITTEN] = "written",
	[READ_BYTES] = "store_read_bytes", [WRITE_BYTES] = "store_write_bytes",
	[READS] = "store_reads", [WRITES] = "store_writes",
	[FAULTS_ASKED] = "faults_asked", [FAULTS_WAITING] = "faults_waiting",
	[FREE_FRAMES] = "free_frames", [FRAME_COUNT] = "frame_count",
};

struct sample {
	uint64_t time_ns;
	double value[FIGURES];		/* NAN: memd has no such counter */
};

/* ---- the command line */

static void iostat_take(struct memctl *mc, struct argp_state *state, int key,
			char *text)
{
	struct iostat *io = mc->wish;

	if (key != ARGP_KEY_ARG)
		return;
	if (state->arg_num > 0)
		io->count_max = options_parse_count(state, text);
	else if (!options_parse_seconds(text, &io->interval_ms) ||
		 io->interval_ms == 0)
		argp_error(state, "'%s' is no interval: say 2, 0.5 or 1min",
			   text);
}

static const struct report_column iostat_columns[] = {
	COLUMN("IN/S", "pages_in_per_s", DECIMAL, .width = 9),
	COLUMN("OUT/S", "pages_out_per_s", DECIMAL, .width = 9),
	COLUMN("READ/S", "read_bytes_per_s", SIZE, .width = 7),
	COLUMN("WRITE/S", "write_bytes_per_s", SIZE, .width = 7),
	COLUMN("REQ/S", "requests_per_s", DECIMAL, .width = 9),
	COLUMN("SIZE", "request_bytes", SIZE, .width = 7),
	COLUMN("FAULTS/S", "faults_per_s", DECIMAL, .width = 9),
	COLUMN("WAITING", "faults_waiting", NUMBER, .width = 7),
	COLUMN("%FREE", "free_percent", DECIMAL, .width = 5),
};

static const struct report_form iostat_form =
	REPORT_FORM(STREAM, "iostat", iostat_columns);

/* ---- samples */

static double iostat_find(const Memd__CountersReply *reply, const char *name)
{
	for (size_t i = 0; i < reply->n_counter; i++)
		if (strcmp(reply->counter[i]->name, name) == 0)
			return (double)reply->counter[i]->value;
	return NAN;
}

/* Returns an exit code; failures have been printed. */
static int iostat_take_sample(struct connection *c, struct sample *s)
{
	ProtobufCMessage *reply;
	struct failure failure;

	if (connection_ask(c, ASK_COUNTERS, NULL, &reply, &failure) != 0)
		return memctl_fail(&failure);
	s->time_ns = clock_now_ns();
	for (unsigned i = 0; i < FIGURES; i++)
		s->value[i] = iostat_find((void *)reply, iostat_names[i]);
	protobuf_c_message_free_unpacked(reply, NULL);
	return EXIT_CODE_OK;
}

/* Make a sample of the time when memd started. */
static int iostat_take_start(struct connection *c, const struct sample *now,
			     struct sample *ret_start)
{
	ProtobufCMessage *reply;
	struct failure failure;
	uint64_t ms;

	if (connection_ask(c, ASK_STATUS, NULL, &reply, &failure) != 0)
		return memctl_fail(&failure);
	ms = ((Memd__StatusReply *)reply)->uptime_ms;
	protobuf_c_message_free_unpacked(reply, NULL);
	*ret_start = (struct sample){
		.time_ns = now->time_ns - MAX(ms, 1u) * 1000000
	};
	return EXIT_CODE_OK;
}

/* ---- lines */

static void iostat_add_number(struct report *rp, double number)
{
	if (isfinite(number) && number >= 0)
		report_number(rp, (uint64_t)(number + 0.5));
	else
		report_unknown(rp);
}

static void iostat_add_line(struct report *rp, const struct sample *from,
			    const struct sample *to)
{
	double seconds = (double)(to->time_ns - from->time_ns) / 1e9;
	double grown[FIGURES], a_second[FIGURES], requests;

	for (unsigned i = 0; i < FIGURES; i++) {
		grown[i] = to->value[i] - from->value[i];
		a_second[i] = grown[i] / seconds;
	}
	requests = grown[READS] + grown[WRITES];
	report_decimal(rp, a_second[PAGES_READ]);
	report_decimal(rp, a_second[PAGES_WRITTEN]);
	iostat_add_number(rp, a_second[READ_BYTES]);
	iostat_add_number(rp, a_second[WRITE_BYTES]);
	report_decimal(rp, requests / seconds);
	iostat_add_number(rp, (grown[READ_BYTES] + grown[WRITE_BYTES]) /
			      requests);
	report_decimal(rp, a_second[FAULTS_ASKED]);
	iostat_add_number(rp, to->value[FAULTS_WAITING]);
	report_decimal(rp, 100 * to->value[FREE_FRAMES] /
		       to->value[FRAME_COUNT]);
	report_end_row(rp);
}

/* ---- the command */

/* Sleep until then_ns.  False: the reader of the output has gone. */
static bool iostat_wait_until(uint64_t then_ns)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = 0 };
	uint64_t now_ns;

	while ((now_ns = clock_now_ns()) < then_ns) {
		uint64_t ms = (then_ns - now_ns + 999999) / 1000000;

		out.revents = 0;
		if (poll(&out, 1, (int)MIN(ms, (uint64_t)INT32_MAX)) > 0)
			return false;
	}
	return true;
}

/* Returns an exit code; failures have been printed. */
static int iostat_show(struct iostat *io, struct connection *c)
{
	struct sample now = { 0 }, before = { 0 };
	uint64_t count = 0, due_ns;
	int code = iostat_take_sample(c, &now);

	if (code == EXIT_CODE_OK)
		code = iostat_take_start(c, &now, &before);
	due_ns = clock_now_ns();
	while (code == EXIT_CODE_OK) {
		iostat_add_line(io->report, &before, &now);
		if (report_print(io->report) != 0) {
			memctl_complain("not enough memory to print this: "
					"free some");
			return EXIT_CODE_FAILED;
		}
		count++;
		due_ns += io->interval_ms * 1000000;
		if (fflush(stdout) != 0 || io->interval_ms == 0 ||
		    count == io->count_max || !iostat_wait_until(due_ns))
			break;
		before = now;
		code = iostat_take_sample(c, &now);
	}
	return code;
}

static int iostat_run(struct memctl *mc)
{
	struct iostat *io = mc->wish;
	struct connection *c = NULL;
	int code;

	io->report = report_create(&iostat_form, &mc->style);
	if (io->report == NULL) {
		memctl_complain("cannot start: not enough memory");
		return EXIT_CODE_FAILED;
	}
	code = memctl_connect(mc, &c);
	if (code == EXIT_CODE_OK)
		code = iostat_show(io, c);
	connection_close(c);
	report_destroy(io->report);
	return code;
}

const struct verb verb_iostat = {
	.name = "iostat", .summary = "how much goes in and out",
	.arguments = "[SECONDS]", .usage = "[SECONDS [COUNT]]",
	.help = "Show what goes in and out: pages read and written a second, "
		"bytes read and written a second, requests of the swap store a "
		"second and their mean size, pages that programs ask for a "
		"second, faults waiting now, and how much of the pool is free. "
		"The first line is for all the time since memd started, each "
		"further one for the SECONDS before it.  Without COUNT it ends "
		"with Ctrl-C, without SECONDS after the first line.",
	.argument_max = 2, .take = iostat_take,
	.wish_bytes = sizeof(struct iostat), .run = iostat_run,
};
