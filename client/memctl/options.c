/* SPDX-License-Identifier: MIT */
/* The options that every subcommand takes, and parsing what several take. */
#include "client/memctl/memctl.h"

#include "common/units.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

enum { KEY_TIMEOUT = 0x100 };

static const struct argp_option common_options[] = {
	{ NULL, 0, NULL, 0, "Options of every command:", 10 },
	{ "socket", 's', "ADDRESS", 0,
	  "memd's socket, @NAME for an abstract one, or, on another host, "
	  "tcp://HOST:PORT?ca=FILE&certificate=FILE&key=FILE; default "
	  "$MEMCLIENT_ADDRESS, else " CONNECTION_ADDRESS_DEFAULT, 10 },
	{ "output", 'o', "FORMAT", 0,
	  "table (default), json, or raw: tab-separated, without a header",
	  10 },
	{ "timeout", KEY_TIMEOUT, "TIME", 0,
	  "Wait so long for memd, for example 500ms or 1min (default 10s); 0 "
	  "waits for ever", 10 },
	{ 0 },
};

static const struct argp_option table_options[] = {
	{ "bytes", 'b', NULL, 0, "Show sizes in bytes, exactly", 9 },
	{ "long", 'l', NULL, 0, "Show more columns", 9 },
	{ 0 },
};

static void parse_format(struct argp_state *state, const char *text,
			 enum report_format *ret_format)
{
	static const char *const names[] = {
		[REPORT_TABLE] = "table", [REPORT_JSON] = "json",
		[REPORT_RAW] = "raw",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret_format = (enum report_format)i;
			return;
		}
	argp_error(state, "unknown output format '%s': table, json or raw",
		   text);
}

static void parse_timeout(struct argp_state *state, const char *text,
			  struct memctl *mc)
{
	uint64_t ms;

	if (units_parse_ms(text, &ms) != 0 || ms > UINT32_MAX)
		argp_error(state, "'%s' is no time: say 500ms, 10s or 1min",
			   text);
	mc->timeout_ms = (uint32_t)ms;
	mc->has_timeout = true;
}

static error_t parse_common(int key, char *text, struct argp_state *state)
{
	struct memctl *mc = state->input;

	switch (key) {
	case 's':
		mc->address = text;
		return 0;
	case 'o':
		parse_format(state, text, &mc->style.format);
		return 0;
	case KEY_TIMEOUT:
		parse_timeout(state, text, mc);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_table(int key, char *text, struct argp_state *state)
{
	struct memctl *mc = state->input;

	(void)text;
	if (key == 'b')
		mc->style.exact_bytes = true;
	else if (key == 'l')
		mc->style.is_long = true;
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

const struct argp memctl_common_argp = {
	.options = common_options,
	.parser = parse_common,
};

const struct argp memctl_table_argp = {
	.options = table_options,
	.parser = parse_table,
};

struct parse_inputs {
	struct memctl *mc;
	void *own;
	bool has_table;
};

static error_t parse_both(int key, char *text, struct argp_state *state)
{
	const struct parse_inputs *inputs = state->input;

	(void)text;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = inputs->own;
	state->child_inputs[1] = inputs->mc;
	if (inputs->has_table)
		state->child_inputs[2] = inputs->mc;
	return 0;
}

static void parse_with(struct parse_inputs *inputs, const struct argp *argp,
		       int argc, char **argv)
{
	const struct argp_child children[] = {
		{ argp, 0, NULL, 0 }, { &memctl_common_argp, 0, NULL, 0 },
		{ inputs->has_table ? &memctl_table_argp : NULL, 0, NULL, 0 },
		{ NULL, 0, NULL, 0 },
	};
	const struct argp both = { .parser = parse_both, .children = children };

	argp_parse(&both, argc, argv, 0, NULL, inputs);
}

void memctl_parse(struct memctl *mc, const struct argp *argp, int argc,
		  char **argv, void *own)
{
	struct parse_inputs inputs = { mc, own, true };

	parse_with(&inputs, argp, argc, argv);
}

void memctl_parse_plain(struct memctl *mc, const struct argp *argp, int argc,
			char **argv, void *own)
{
	struct parse_inputs inputs = { mc, own, false };

	parse_with(&inputs, argp, argc, argv);
}

uint64_t memctl_parse_size(struct argp_state *state, const char *text)
{
	uint64_t bytes = 0;

	if (units_parse_size(text, &bytes) != 0)
		argp_error(state, "'%s' is no size: say 4096, 64M or 1.5G",
			   text);
	return bytes;
}

bool memctl_parse_seconds(const char *text, uint64_t *ret_ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end != text && *end == '\0') {
		if (!(seconds >= 0 && seconds < 1e6))
			return false;
		*ret_ms = (uint64_t)ceil(seconds * 1000);
		return true;
	}
	return units_parse_ms(text, ret_ms) == 0 && *ret_ms <= UINT32_MAX;
}

uint64_t memctl_parse_count(struct argp_state *state, const char *text)
{
	char *end;
	unsigned long long count;

	errno = 0;
	count = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' ||
	    count == 0)
		argp_error(state, "'%s' is no count: say 1 or more", text);
	return count;
}

/* Digits alone, 1 to `most`; 0: anything else. */
static uint32_t parse_id(const char *text, uint32_t most)
{
	uint64_t id = 0;

	for (; isdigit((unsigned char)*text) && id <= most; text++)
		id = id * 10 + (unsigned)(*text - '0');
	return *text == '\0' && id <= most ? (uint32_t)id : 0;
}

struct client_name memctl_parse_client(struct argp_state *state,
				       const char *text)
{
	struct client_name client = { 0 };

	if (text[0] == 's')
		client.session = parse_id(text + 1, UINT32_MAX);
	else
		client.pid = parse_id(text, INT32_MAX);
	if (client.pid == 0 && client.session == 0)
		argp_error(state, "'%s' is no process id, and no session like "
			   "s12: `memctl ps` shows them", text);
	return client;
}

uint32_t memctl_parse_store(struct argp_state *state, const char *text)
{
	uint32_t id = parse_id(text, UINT32_MAX);

	if (id == 0)
		argp_error(state, "'%s' is no ID of a store: `memctl stores` "
			   "shows them", text);
	return id;
}

error_t memctl_parse_client_argument(int key, char *text,
				     struct argp_state *state,
				     struct client_name *client)
{
	if (key != ARGP_KEY_ARG || state->arg_num > 0)
		return ARGP_ERR_UNKNOWN;
	*client = memctl_parse_client(state, text);
	return 0;
}
