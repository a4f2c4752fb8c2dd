/* SPDX-License-Identifier: MIT */
/* memctl replay: have memd bring in the pages that `trace --save` saved.
 *
 * The file's steps go out in windows, and those of a window in one request for
 * each of its segments: so segments that were used in turns come in turns. */
#include "client/memctl/memctl.h"
#include "client/memctl/order.h"

#include <errno.h>

enum replay_state { WANTED, IS_PRIVATE, IS_MISSING, IS_SHORT };

/* What became of one segment of the file. */
struct replay_result {
	enum replay_state state;
	uint64_t asked_pages;
};

struct replay {
	const char *path;
	struct order order;
	struct replay_result *result;	/* one for each segment */
	struct connection *connection;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct replay *rp = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num > 0)
			return ARGP_ERR_UNKNOWN;
		rp->path = text;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "of what? give a file that `memctl trace "
			   "--save' has written");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp replay_argp = {
	.parser = parse,
	.args_doc = "FILE",
	.doc = "Have memd bring in the pages that `memctl trace --save=FILE' "
	       "has saved, in their order, as far as frames are free.  Only "
	       "those of named segments: a private one is gone with its "
	       "program.  Shows for each segment how many pages the file has "
	       "and how many were asked for; they come in the background.",
};

/* ---- asking */

/* Ask for `count` runs of a segment.  Returns an exit code; failures have been
 * printed. */
static int ask(struct replay *rp, uint32_t segment_idx,
	       const struct page_run *run, size_t count)
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
	if (reply->has_is_short && reply->is_short)
		result->state = IS_SHORT;
	protobuf_c_message_free_unpacked(message, NULL);
	return EXIT_CODE_OK;
}

/* All steps of the window that are of the segment of its first, which is
 * wanted. */
static int ask_segment(struct replay *rp, const struct order_step *step,
		       size_t count)
{
	struct page_run run[WIRE_RANGES_MAX];
	size_t run_count = 0;

	for (size_t i = 0; i < count; i++)
		if (step[i].segment_idx == step[0].segment_idx)
			run[run_count++] = step[i].run;
	return ask(rp, step[0].segment_idx, run, run_count);
}

/* Was the segment of step `idx` asked for with a step before it? */
static bool is_asked(const struct order_step *step, size_t idx)
{
	for (size_t i = 0; i < idx; i++)
		if (step[i].segment_idx == step[idx].segment_idx)
			return true;
	return false;
}

static int ask_window(struct replay *rp, const struct order_step *step,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int code;

		if (rp->result[step[i].segment_idx].state != WANTED ||
		    is_asked(step, i))
			continue;
		code = ask_segment(rp, &step[i], count - i);
		if (code != EXIT_CODE_OK)
			return code;
	}
	return EXIT_CODE_OK;
}

static int ask_all(struct replay *rp)
{
	const struct order *o = &rp->order;

	for (uint32_t at = 0; at < o->step_count; at += WIRE_RANGES_MAX) {
		int code = ask_window(rp, &o->step[at],
				      MIN(o->step_count - at,
					  (uint32_t)WIRE_RANGES_MAX));

		if (code != EXIT_CODE_OK)
			return code;
	}
	return EXIT_CODE_OK;
}

/* ---- telling */

static const char *text_of(const struct replay_result *result, uint64_t pages)
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
	return result->asked_pages < pages ? "asked for in part" :
					     "asked for";
}

static const struct report_column columns[] = {
	{ "PAGES", "pages", REPORT_NUMBER, 0, 0 },
	{ "ASKED", "asked_pages", REPORT_NUMBER, 0, 0 },
	{ "RESULT", "result", REPORT_TEXT, 0, 0 },
	{ "NAME", "name", REPORT_TEXT, REPORT_TRUNCATE, 0 },
};

static int tell(const struct memctl *mc, const struct replay *rp)
{
	struct report *report = report_create(REPORT_ROWS, "replay", columns,
					      ARRAY_SIZE(columns), &mc->style);

	for (uint32_t i = 0; report && i < rp->order.segment_count; i++) {
		const struct order_segment *sg = &rp->order.segment[i];

		report_number(report, sg->page_count);
		report_number(report, rp->result[i].asked_pages);
		report_text(report, text_of(&rp->result[i], sg->page_count));
		report_text(report, sg->name[0] != '\0' ? sg->name : NULL);
		report_end_row(report);
	}
	return memctl_finish(report);
}

/* None of them is there.  Why. */
static const char *reason_of(const struct replay *rp)
{
	for (uint32_t i = 0; i < rp->order.segment_count; i++)
		if (rp->result[i].state == IS_MISSING)
			return "none of these segments is there: start the "
			       "programs that make them first";
	return "all of these segments are private, and went with their "
	       "programs: save those of programs that name theirs";
}

static bool is_anything_there(const struct replay *rp)
{
	for (uint32_t i = 0; i < rp->order.segment_count; i++)
		if (rp->result[i].state == WANTED ||
		    rp->result[i].state == IS_SHORT)
			return true;
	return rp->order.segment_count == 0;
}

/* ---- the command */

/* Returns an exit code; failures have been printed. */
static int run(const struct memctl *mc, struct replay *rp)
{
	int code = memctl_connect(mc, &rp->connection);

	if (code == EXIT_CODE_OK)
		code = ask_all(rp);
	if (code == EXIT_CODE_OK)
		code = tell(mc, rp);
	if (code == EXIT_CODE_OK && !is_anything_there(rp)) {
		memctl_complain("%s", reason_of(rp));
		code = EXIT_CODE_NOT_FOUND;
	}
	connection_close(rp->connection);
	return code;
}

static int prepare(struct replay *rp)
{
	char reason[ORDER_REASON_BYTES];

	order_init(&rp->order);
	if (order_read(&rp->order, rp->path, reason, sizeof(reason)) != 0) {
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

int cmd_replay(struct memctl *mc, int argc, char **argv)
{
	struct replay rp = { 0 };
	int code;

	memctl_parse(mc, &replay_argp, argc, argv, &rp);
	if (!mc->has_timeout)
		mc->timeout_ms = 0;
	code = prepare(&rp);
	if (code == EXIT_CODE_OK)
		code = run(mc, &rp);
	free(rp.result);
	order_fini(&rp.order);
	return code;
}
