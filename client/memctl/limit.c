/* SPDX-License-Identifier: MIT */
/* memctl limit: shows how many frames and how much mapped memory a session or a
 * user may have.  `limit set` changes that. */
#include "client/memctl/verbs.h"

#include <pwd.h>
#include <string.h>

enum { UNIT_BYTES = 4096 };	/* limits are counted in units */

/* -------------------------------------------------------------------- show */

static void limit_add_scope(struct report *rp, const void *message)
{
	const Memd__Limit *limit = message;

	report_text(rp, limit->session != 0 ? "session" : "uid");
}

/* A field that a row does not have belongs to rows of another scope. */
static const struct report_column limit_columns[] = {
	COLUMN("SCOPE", "scope", TEXT, .add = limit_add_scope),
	COLUMN("SESSION", "session", SESSION),
	COLUMN("PID", "pid", NUMBER, .flags = REPORT_NOT_ZERO),
	COLUMN("USER", "user", USER, .field = "uid"),
	COLUMN(NULL, "uid", NUMBER),
	COLUMN("LIMIT", "limit_bytes", SIZE, .field = "frames",
	       .flags = REPORT_UNITS | REPORT_LIMIT),
	COLUMN("USED", "used_bytes", SIZE, .field = "used_frames",
	       .flags = REPORT_UNITS),
	COLUMN("MAXMAP", "limit_mapped_bytes", SIZE, .field = "mapped_bytes",
	       .flags = REPORT_LIMIT),
	COLUMN("MAPPED", "mapped_bytes", SIZE, .field = "used_mapped_bytes"),
	COLUMN("SOURCE", "source", TEXT),
};

static const struct view limit_view = {
	.form = REPORT_FORM(ROWS, "limit", limit_columns),
	.rows = "limit",
};

/* --------------------------------------------------------------------- set */

static const struct argp_option limit_set_options[] = {
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

/* A number without a unit counts frames; a number with a unit is a size, and is
 * rounded up. */
static uint64_t limit_parse_frames(struct argp_state *state, const char *text)
{
	uint64_t value;

	if (strcmp(text, "none") == 0)
		return 0;
	value = options_parse_size(state, text);
	if (text[strspn(text, "0123456789")] == '\0')
		return value;
	return DIV_ROUND_UP(value, UNIT_BYTES);
}

static void limit_take_user(struct argp_state *state, const char *text,
			    Memd__Limit *limit)
{
	const struct passwd *pw = getpwnam(text);

	limit->has_uid = 1;
	if (pw != NULL)
		limit->uid = pw->pw_uid;
	else if (!options_parse_id(text, UINT32_MAX, &limit->uid))
		argp_error(state, "'%s' is no user's name or number", text);
}

static void limit_take_session(struct argp_state *state, const char *text,
			       Memd__Limit *limit)
{
	limit->has_session = 1;
	if (!options_parse_id(text + (text[0] == 's'), UINT32_MAX,
			      &limit->session))
		argp_error(state, "'%s' is no session: `memctl ps --long' "
			   "shows them", text);
	if (limit->session == 0)
		argp_error(state, "there is no session 0");
}

static void limit_check_set(struct argp_state *state, const Memd__Limit *limit)
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

static void limit_take(struct memctl *mc, struct argp_state *state, int key,
		       char *text)
{
	Memd__Limit *limit = mc->request;

	switch (key) {
	case 'p':
		verb_take_client(mc, state, ARGP_KEY_ARG, text);
		break;
	case 'u':
		limit_take_user(state, text, limit);
		break;
	case 'S':
		limit_take_session(state, text, limit);
		break;
	case 'f':
		limit->frames = limit_parse_frames(state, text);
		limit->has_frames = 1;
		break;
	case 'm':
		limit->mapped_bytes = strcmp(text, "none") == 0 ? 0 :
			options_parse_size(state, text);
		limit->has_mapped_bytes = 1;
		break;
	case 'd':
		limit->has_reset = limit->reset = true;
		break;
	case ARGP_KEY_END:
		limit_check_set(state, limit);
		break;
	}
}

static const struct verb verb_limit_set = {
	.name = "limit set",
	.help = "Set limits of a session or a user.  A limit below what is in "
		"use evicts; nothing is lost.  What is not named stays as it "
		"is.  --default takes back what was set so.",
	.options = limit_set_options, .take = limit_take, .is_plain = true,
	.question = ASK_LIMIT_SET, .request = &memd__limit__descriptor,
};

const struct verb verb_limit = {
	.name = "limit", .summary = "show or set limits",
	.arguments = "[set]",
	.help = "Show the limits of users and sessions beside what they use: "
		"memory in the pool (LIMIT, USED) and mapped memory (MAXMAP, "
		"MAPPED).  `memctl limit set --help' tells how to change them.",
	.sub = &verb_limit_set, .question = ASK_LIMITS, .view = &limit_view,
};
