/* SPDX-License-Identifier: MIT */
/* memctl replay: has memd bring in the pages that `trace --save` has saved.
 *
 * The steps of the file are sent in windows.  The steps of a window go out in
 * one request for each segment, so segments that were used in turns are brought
 * in in turns.  Each request is answered when its pages are there; a window is
 * small enough for its end to be news. */
#include "client/memctl/order.h"
#include "client/memctl/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum replay_state { WANTED, IS_PRIVATE, IS_MISSING, IS_SHORT };

/* The result for one segment of the file. */
struct replay_result {
	enum replay_state state;
	uint64_t asked_pages;
	uint64_t read_pages, there_pages;	/* of these */
};

enum { WINDOW_PAGES = 8192 };

/* The part of the file that is asked for at once. */
struct replay_window {
	struct order_step step[WIRE_RANGES_MAX];
	size_t count;
};

struct replay {
	struct order order;
	struct replay_result *result;	/* one for each segment */
	struct connection *connection;
	/* What of the file has been done: the steps before step_idx, and of
	 * that one, so many pages. */
	uint32_t step_idx, step_pages;
	uint64_t done_pages;
	bool is_watched;		/* the user sees the progress */
};

/* ---- asking */

/* Ask for `count` runs of a segment.  Returns an exit code; a failure was
 * printed. */
static int replay_ask(struct replay *rp, uint32_t segment_idx,
		      const struct order_run *run, size_t count)
{
	Memd__ReplayRequest request = MEMD__REPLAY_REQUEST__INIT;
	Memd__Range range[WIRE_RANGES_MAX], *pointer[WIRE_RANGES_MAX];
	struct replay_result *result = &rp->result[segment_idx];
	ProtobufCMessage *message;
	const Memd__ReplayReply *reply;
	struct failure failure;

	for (size_t i = 0; i < count; i++) {
		memd__range__init(&range[i]);
		range[i].first = run[i].first;
		range[i].count = run[i].count;
		pointer[i] = &range[i];
	}
	request.name = rp->order.segment[segment_idx].name;
	request.n_range = count;
	request.range = pointer;
	if (connection_ask(rp->connection, ASK_REPLAY, &request.base, &message,
			   &failure) != 0) {
		if (failure.kind != FAILURE_ANSWER || failure.code != ENOENT)
			return memctl_fail(&failure);
		result->state = IS_MISSING;
		return EXIT_CODE_OK;
	}
	reply = (const Memd__ReplayReply *)message;
	result->asked_pages += reply->pages;
	/* An older memd counts only what it was asked for. */
	result->read_pages += reply->has_read_pages ? reply->read_pages :
						      reply->pages;
	result->there_pages += reply->there_pages;
	if (reply->has_is_short && reply->is_short)
		result->state = IS_SHORT;
	protobuf_c_message_free_unpacked(message, NULL);
	return EXIT_CODE_OK;
}

/* Ask for all steps of the window that have the segment of its first step. */
static int replay_ask_segment(struct replay *rp, const struct order_step *step,
			      size_t count)
{
	struct order_run run[WIRE_RANGES_MAX];
	size_t run_count = 0;

	for (size_t i = 0; i < count; i++)
		if (step[i].segment_idx == step[0].segment_idx)
			run[run_count++] = step[i].run;
	return replay_ask(rp, step[0].segment_idx, run, run_count);
}

/* True if an earlier step of the window has the segment of step `idx`. */
static bool replay_is_asked(const struct order_step *step, size_t idx)
{
	for (size_t i = 0; i < idx; i++)
		if (step[i].segment_idx == step[idx].segment_idx)
			return true;
	return false;
}

static int replay_ask_window(struct replay *rp,
			     const struct replay_window *w)
{
	const struct order_step *step = w->step;

	for (size_t i = 0; i < w->count; i++) {
		int code;

		if (rp->result[step[i].segment_idx].state != WANTED ||
		    replay_is_asked(step, i))
			continue;
		code = replay_ask_segment(rp, &step[i], w->count - i);
		if (code != EXIT_CODE_OK)
			return code;
	}
	return EXIT_CODE_OK;
}

/* Take the next steps of the file, the last one perhaps in part.  False: there
 * are no more. */
static bool replay_next_window(struct replay *rp, struct replay_window *w)
{
	const struct order *o = &rp->order;
	uint32_t left = WINDOW_PAGES;

	for (w->count = 0; w->count < WIRE_RANGES_MAX && left > 0 &&
			   rp->step_idx < o->step_count; w->count++) {
		struct order_step step = o->step[rp->step_idx];

		step.run.first += rp->step_pages;
		step.run.count -= rp->step_pages;
		rp->step_pages += MIN(step.run.count, left);
		if (step.run.count <= left) {
			rp->step_idx++;
			rp->step_pages = 0;
		}
		step.run.count = MIN(step.run.count, left);
		left -= step.run.count;
		rp->done_pages += step.run.count;
		w->step[w->count] = step;
	}
	return w->count != 0;
}

/* On one line of the terminal, which the end clears. */
static void replay_tell_progress(const struct replay *rp, bool is_end)
{
	if (!rp->is_watched)
		return;
	if (is_end)
		fprintf(stderr, "\r\033[K");
	else
		fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " pages",
			rp->done_pages, rp->order.page_count);
}

static int replay_ask_all(struct replay *rp)
{
	struct replay_window window;
	int code = EXIT_CODE_OK;

	while (code == EXIT_CODE_OK && replay_next_window(rp, &window)) {
		code = replay_ask_window(rp, &window);
		replay_tell_progress(rp, false);
	}
	replay_tell_progress(rp, true);
	return code;
}

/* ---- showing the result */

static uint64_t replay_count_left(const struct replay_result *result,
				  uint64_t pages)
{
	uint64_t here = result->read_pages + result->there_pages;

	return pages - MIN(pages, here);
}

static const char *replay_text_of(const struct replay_result *result,
				  uint64_t pages)
{
	switch (result->state) {
	case IS_PRIVATE:
		return "private: skipped";
	case IS_MISSING:
		return "no such segment";
	case IS_SHORT:
		return "no more frames are free";
	case WANTED:
		break;
	}
	return replay_count_left(result, pages) != 0 ? "in part" : "all there";
}

static const struct report_column replay_columns[] = {
	COLUMN("PAGES", "pages", NUMBER),
	COLUMN(NULL, "asked_pages", NUMBER),
	COLUMN("READ", "read_pages", NUMBER),
	COLUMN("THERE", "there_pages", NUMBER),
	COLUMN("LEFT", "left_pages", NUMBER),
	COLUMN("RESULT", "result", TEXT),
	COLUMN("NAME", "name", TEXT, .flags = REPORT_TRUNCATE),
};

static const struct report_form replay_form =
	REPORT_FORM(ROWS, "replay", replay_columns);

static int replay_tell(const struct memctl *mc, const struct replay *rp)
{
	struct report *report = report_create(&replay_form, &mc->style);

	for (uint32_t i = 0; report && i < rp->order.segment_count; i++) {
		const struct order_segment *sg = &rp->order.segment[i];

		const struct replay_result *result = &rp->result[i];

		report_number(report, sg->page_count);
		report_number(report, result->asked_pages);
		report_number(report, result->read_pages);
		report_number(report, result->there_pages);
		report_number(report,
			      replay_count_left(result, sg->page_count));
		report_text(report, replay_text_of(result, sg->page_count));
		report_text(report, sg->name[0] != '\0' ? sg->name : NULL);
		report_end_row(report);
	}
	return memctl_finish(report);
}

/* None of the segments exists.  Returns why. */
static const char *replay_reason_of(const struct replay *rp)
{
	for (uint32_t i = 0; i < rp->order.segment_count; i++)
		if (rp->result[i].state == IS_MISSING)
			return "none of these segments is there: start the "
			       "programs that make them first";
	return "all of these segments are private, and went with their "
	       "programs: save those of programs that name theirs";
}

static bool replay_is_anything_there(const struct replay *rp)
{
	for (uint32_t i = 0; i < rp->order.segment_count; i++)
		if (rp->result[i].state == WANTED ||
		    rp->result[i].state == IS_SHORT)
			return true;
	return rp->order.segment_count == 0;
}

/* ---- the command */

/* Returns an exit code; a failure was printed. */
static int replay_follow(const struct memctl *mc, struct replay *rp)
{
	int code = memctl_connect(mc, &rp->connection);

	rp->is_watched = mc->style.format == REPORT_TABLE &&
			 rp->order.page_count > WINDOW_PAGES &&
			 isatty(STDERR_FILENO);
	if (code == EXIT_CODE_OK)
		code = replay_ask_all(rp);
	if (code == EXIT_CODE_OK)
		code = replay_tell(mc, rp);
	if (code == EXIT_CODE_OK && !replay_is_anything_there(rp)) {
		memctl_complain("%s", replay_reason_of(rp));
		code = EXIT_CODE_NOT_FOUND;
	}
	connection_close(rp->connection);
	return code;
}

static int replay_prepare(struct replay *rp, const char *path)
{
	char reason[ORDER_REASON_BYTES];

	order_init(&rp->order);
	if (order_read(&rp->order, path, reason, sizeof(reason)) != 0) {
		memctl_complain("%s", reason);
		return EXIT_CODE_FAILED;
	}
	rp->result = calloc(rp->order.segment_count + 1u, sizeof(*rp->result));
	if (rp->result == NULL) {
		memctl_complain("not enough memory");
		return EXIT_CODE_FAILED;
	}
	for (uint32_t i = 0; i < rp->order.segment_count; i++)
		if (rp->order.segment[i].name[0] == '\0')
			rp->result[i].state = IS_PRIVATE;
	return EXIT_CODE_OK;
}

static int replay_run(struct memctl *mc)
{
	struct replay *rp = mc->wish;
	int code = replay_prepare(rp, mc->argument[0]);

	if (code == EXIT_CODE_OK)
		code = replay_follow(mc, rp);
	free(rp->result);
	order_fini(&rp->order);
	return code;
}

const struct verb verb_replay = {
	.name = "replay", .summary = "bring in what `trace --save` saved",
	.arguments = "FILE",
	.help = "Have memd bring in the pages that `memctl trace --save=FILE' "
		"has saved, in their order, as far as frames are free.  Only "
		"those of named segments: a private one is gone with its "
		"program.  Ends when they are there, and shows for each "
		"segment how many pages the file has, how many of them were "
		"brought in, how many were there already, and how many were "
		"left out.",
	.argument_max = 1,
	.missing = "of what? give a file that `memctl trace --save' has "
		   "written",
	.is_patient = true, .wish_bytes = sizeof(struct replay),
	.run = replay_run,
};
