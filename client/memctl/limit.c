/* SPDX-License-Identifier: MIT */
/* memctl limit: how many frames and how much mapped memory a session or a
 * user may have; `limit set` changes that. */
#include "client/memctl/memctl.h"

#include "client/memctl/text.h"
#include "common/units.h"
#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <string.h>

enum { FRAME_BYTES = 4096 };	/* limits are counted in these */

/* -------------------------------------------------------------------- show */

static const struct argp show_argp = {
	.args_doc = "[set]",
	.doc = "Show the limits of users and sessions beside what they use: "
	       "memory in the pool (LIMIT, USED) and mapped memory (MAXMAP, "
	       "MAPPED).  `memctl limit set --help' tells how to change them.",
};

static const struct report_column columns[] = {
	{ "SCOPE", "scope", REPORT_TEXT, 0, 0 },
	{ "SESSION", "session", REPORT_NUMBER, 0, 0 },
	{ "PID", "pid", REPORT_NUMBER, 0, 0 },
	{ "USER", "user", REPORT_TEXT, 0, 0 },
	{ NULL, "uid", REPORT_NUMBER, 0, 0 },
	{ "LIMIT", "limit_bytes", REPORT_SIZE, 0, 0 },
	{ "USED", "used_bytes", REPORT_SIZE, 0, 0 },
	{ "MAXMAP", "limit_mapped_bytes", REPORT_SIZE, 0, 0 },
	{ "MAPPED", "mapped_bytes", REPORT_SIZE, 0, 0 },
	{ "SOURCE", "source", REPORT_TEXT, 0, 0 },
};

static void add_number_if(struct report *rp, bool is_there, uint64_t number)
{
	if (is_there)
		report_number(rp, number);
	else
		report_unknown(rp);
}

/* Absent: what counts is in another row. */
static void add_limit_if(struct report *rp, bool is_there, uint64_t bytes)
{
	if (is_there)
		report_limit(rp, bytes);
	else
		report_unknown(rp);
}

static void add_limit(struct report *rp, const Memd__Limit *limit)
{
	bool is_session = limit->has_session && limit->session != 0;
	const char *source = limit->source;
	char user[64];

	report_text(rp, is_session ? "session" : "uid");
	report_session(rp, is_session ? limit->session : 0);
	add_number_if(rp, limit->has_pid && limit->pid != 0, limit->pid);
	report_text(rp, limit->has_uid ? text_user(limit->uid, user,
						   sizeof(user)) : NULL);
	add_number_if(rp, limit->has_uid, limit->uid);
	add_limit_if(rp, limit->has_frames, limit->frames * FRAME_BYTES);
	add_number_if(rp, limit->has_used_frames,
		      limit->used_frames * FRAME_BYTES);
	add_limit_if(rp, limit->has_mapped_bytes, limit->mapped_bytes);
	add_number_if(rp, limit->has_used_mapped_bytes,
		      limit->used_mapped_bytes);
	report_text(rp, source != NULL && source[0] != '\0' ? source : NULL);
	report_end_row(rp);
}

static int show(struct memctl *mc, int argc, char **argv)
{
	ProtobufCMessage *reply;
	const Memd__LimitsReply *limits;
	struct report *rp;
	int code;

	memctl_parse(mc, &show_argp, argc, argv, NULL);
	code = memctl_ask(mc, ASK_LIMITS, NULL, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	limits = (const Memd__LimitsReply *)reply;
	rp = report_create(REPORT_ROWS, "limit", columns, ARRAY_SIZE(columns),
			   &mc->style);
	for (size_t i = 0; rp != NULL && i < limits->n_limit; i++)
		add_limit(rp, limits->limit[i]);
	code = memctl_finish(rp);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}

/* --------------------------------------------------------------------- set */

static const struct argp_option set_options[] = {
	{ "pid", 'p', "PID|sID", 0,
	  "Of the session of this process, or of session ID", 1 },
	{ "uid", 'u', "USER", 0, "Of all sessions of this user together", 1 },
	{ "session", 'S', "ID", 0, "Of this session", 1 },
	{ "frames", 'f', "N|SIZE", 0,
	  "At most N frames of 4 KiB in the pool; with a unit, as 64M, at most "
	  "so much memory; 0 or none takes the limit away", 1 },
	{ "mapped", 'm', "SIZE", 0,
	  "At most so much mapped memory; 0 or none takes the limit away", 1 },
	{ "default", 'd', NULL, 0,
	  "Both as memd.conf says again, and as it will say", 1 },
	{ 0 },
};

static uint32_t parse_id(struct argp_state *state, const char *text,
			 const char *what)
{
	char *end;
	unsigned long id;

	errno = 0;
	id = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || !isdigit((unsigned char)text[0]) ||
	    id > UINT32_MAX)
		argp_error(state, "'%s' is no %s", text, what);
	return (uint32_t)id;
}

static uint32_t parse_user(struct argp_state *state, const char *text)
{
	const struct passwd *pw = getpwnam(text);

	return pw != NULL ? pw->pw_uid :
			    parse_id(state, text, "user's name or number");
}

/* A bare number counts frames; with a unit it is a size, rounded up. */
static uint64_t parse_frames(struct argp_state *state, const char *text)
{
	uint64_t value;

	if (strcmp(text, "none") == 0)
		return 0;
	value = memctl_parse_size(state, text);
	if (text[strspn(text, "0123456789")] == '\0')
		return value;
	return value / FRAME_BYTES + (value % FRAME_BYTES != 0);
}

static void parse_client(struct argp_state *state, const char *text,
			 Memd__Limit *limit)
{
	struct client_name client = memctl_parse_client(state, text);

	limit->has_pid = client.pid != 0;
	limit->pid = client.pid;
	limit->has_session = client.session != 0;
	limit->session = client.session;
}

static void check_complete(struct argp_state *state, const Memd__Limit *limit)
{
	if (limit->has_pid + limit->has_uid + limit->has_session != 1)
		argp_error(state, "whose limit? give one of --pid, --uid and "
			   "--session");
	if (!limit->has_frames && !limit->has_mapped_bytes && !limit->reset)
		argp_error(state, "which limit? give --frames, --mapped or "
			   "both, or --default");
	if (limit->reset && (limit->has_frames || limit->has_mapped_bytes))
		argp_error(state, "--default is for both limits: leave out "
			   "--frames and --mapped");
}

static error_t parse_set(int key, char *text, struct argp_state *state)
{
	Memd__Limit *limit = state->input;

	switch (key) {
	case 'p':
		parse_client(state, text, limit);
		return 0;
	case 'u':
		limit->uid = parse_user(state, text);
		limit->has_uid = 1;
		return 0;
	case 'S':
		if (text[0] == 's' && text[1] != '\0')
			text++;
		limit->session = parse_id(state, text,
					  "session: `memctl ps --long' shows "
					  "them");
		limit->has_session = 1;
		if (limit->session == 0)
			argp_error(state, "there is no session 0");
		return 0;
	case 'f':
		limit->frames = parse_frames(state, text);
		limit->has_frames = 1;
		return 0;
	case 'm':
		limit->mapped_bytes = strcmp(text, "none") == 0 ? 0 :
			memctl_parse_size(state, text);
		limit->has_mapped_bytes = 1;
		return 0;
	case 'd':
		limit->has_reset = limit->reset = true;
		return 0;
	case ARGP_KEY_END:
		check_complete(state, limit);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp set_argp = {
	.options = set_options,
	.parser = parse_set,
	.doc = "Set limits of a session or a user.  A limit below what is in "
	       "use evicts; nothing is lost.  What is not named stays as it "
	       "is.  --default takes back what was set so.",
};

static int set(struct memctl *mc, int argc, char **argv)
{
	Memd__Limit limit = MEMD__LIMIT__INIT;
	ProtobufCMessage *ok;

	memctl_parse_plain(mc, &set_argp, argc, argv, &limit);
	return memctl_ask(mc, ASK_LIMIT_SET, &limit.base, &ok);
}

/* `set` must come first, before any option. */
int cmd_limit(struct memctl *mc, int argc, char **argv)
{
	static char set_name[] = "memctl limit set";

	if (argc < 2 || strcmp(argv[1], "set") != 0)
		return show(mc, argc, argv);
	argv[1] = set_name;
	return set(mc, argc - 1, argv + 1);
}
