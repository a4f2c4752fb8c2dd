/* SPDX-License-Identifier: MIT */
#include "client/memctl/options.h"

#include "common/units.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

static const struct argp_option options_common_list[] = {
	{ NULL, 0, NULL, 0, "Options of every command:", 10 },
	{ "socket", 's', "ADDRESS", 0,
	  "memd's socket, @NAME for an abstract one, or, on another host, "
	  "tcp://HOST:PORT?tls_ca=FILE&tls_certificate=FILE&tls_key=FILE; "
	  "default "
	  "$MEMCLIENT_ADDRESS, else " CONNECTION_ADDRESS_DEFAULT, 10 },
	{ "output", 'o', "FORMAT", 0,
	  "table (default), json, or raw: tab-separated, without a header",
	  10 },
	{ "timeout", OPTIONS_KEY_TIMEOUT, "TIME", 0,
	  "Wait so long for memd, for example 500ms or 1min (default 10s); 0 "
	  "waits for ever", 10 },
	{ 0 },
};

static const struct argp_option options_table_list[] = {
	{ "bytes", 'b', NULL, 0, "Show sizes in bytes, exactly", 9 },
	{ "long", 'l', NULL, 0, "Show more columns", 9 },
	{ 0 },
};

static void options_take_format(struct argp_state *state, const char *text,
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

static void options_take_timeout(struct argp_state *state, const char *text,
				 struct memctl *mc)
{
	uint64_t ms;

	if (units_parse_ms(text, &ms) != 0 || ms > UINT32_MAX)
		argp_error(state, "'%s' is no time: say 500ms, 10s or 1min",
			   text);
	mc->timeout_ms = (uint32_t)ms;
	mc->has_timeout = true;
}

static error_t options_take_common(int key, char *text,
				   struct argp_state *state)
{
	struct memctl *mc = state->input;

	switch (key) {
	case 's':
		mc->address = text;
		return 0;
	case 'o':
		options_take_format(state, text, &mc->style.format);
		return 0;
	case OPTIONS_KEY_TIMEOUT:
		options_take_timeout(state, text, mc);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t options_take_table(int key, char *text, struct argp_state *state)
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

const struct argp options_common = {
	.options = options_common_list,
	.parser = options_take_common,
};

const struct argp options_table = {
	.options = options_table_list,
	.parser = options_take_table,
};

uint64_t options_parse_size(struct argp_state *state, const char *text)
{
	uint64_t bytes = 0;

	if (units_parse_size(text, &bytes) != 0)
		argp_error(state, "'%s' is no size: say 4096, 64M or 1.5G",
			   text);
	return bytes;
}

bool options_parse_seconds(const char *text, uint64_t *ret_ms)
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

uint64_t options_parse_count(struct argp_state *state, const char *text)
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

bool options_parse_id(const char *text, uint32_t most, uint32_t *ret_id)
{
	uint64_t id = 0;
	bool has_digits = isdigit((unsigned char)*text);

	for (; isdigit((unsigned char)*text) && id <= most; text++)
		id = id * 10 + (unsigned)(*text - '0');
	if (!has_digits || *text != '\0' || id > most)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}
