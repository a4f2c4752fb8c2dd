/* SPDX-License-Identifier: MIT */
/* memctl stats: every counter memd keeps, with what it means. */
#include "client/memctl/memctl.h"

#include <fnmatch.h>
#include <string.h>

/* Patterns of names to show; none: all. */
struct patterns {
	char **pattern;
	size_t count;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct patterns *patterns = state->input;

	(void)text;
	if (key != ARGP_KEY_ARGS)
		return ARGP_ERR_UNKNOWN;
	patterns->pattern = state->argv + state->next;
	patterns->count = (size_t)(state->argc - state->next);
	return 0;
}

static const struct argp stats_argp = {
	.parser = parse,
	.args_doc = "[NAME...]",
	.doc = "Show memd's counters, or those NAMEd; patterns such as "
	       "'faults*' are allowed.",
};

static const struct report_column columns[] = {
	{ "NAME", "name", REPORT_TEXT, 0, 0 },
	{ "VALUE", "value", REPORT_NUMBER, 0, 0 },
	{ NULL, "unit", REPORT_TEXT, 0, 0 },
	{ NULL, "is_gauge", REPORT_FLAG, 0, 0 },
	{ "HELP", "help", REPORT_TEXT, REPORT_WRAP, 0 },
};

static bool is_wanted(const struct patterns *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (fnmatch(patterns->pattern[i], name, 0) == 0)
			return true;
	return patterns->count == 0;
}

static void add_value(struct report *rp, const Memd__Counter *counter,
		      const char *unit)
{
	if (strcmp(unit, "bytes") == 0)
		report_number_as(rp, REPORT_SIZE, counter->value);
	else if (strcmp(unit, "ns") == 0)
		report_number_as(rp, REPORT_TIME, counter->value);
	else
		report_number(rp, counter->value);
}

static void add_counter(struct report *rp, const Memd__Counter *counter)
{
	const char *unit = counter->unit != NULL ? counter->unit : "";

	report_text(rp, counter->name);
	add_value(rp, counter, unit);
	report_text(rp, unit[0] != '\0' ? unit : NULL);
	report_flag(rp, counter->has_is_gauge && counter->is_gauge);
	report_text(rp, counter->help);
	report_end_row(rp);
}

/* Returns how many counters the patterns let through. */
static size_t add_counters(struct report *rp, const struct patterns *patterns,
			   const Memd__CountersReply *counters)
{
	size_t count = 0;

	for (size_t i = 0; i < counters->n_counter; i++) {
		if (!is_wanted(patterns, counters->counter[i]->name))
			continue;
		add_counter(rp, counters->counter[i]);
		count++;
	}
	return count;
}

int cmd_stats(struct memctl *mc, int argc, char **argv)
{
	struct patterns patterns = { NULL, 0 };
	ProtobufCMessage *reply;
	struct report *rp;
	int code;

	memctl_parse(mc, &stats_argp, argc, argv, &patterns);
	code = memctl_ask(mc, ASK_COUNTERS, NULL, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	rp = report_create(REPORT_ROWS, "stats", columns, ARRAY_SIZE(columns),
			   &mc->style);
	if (rp != NULL && add_counters(rp, &patterns, (void *)reply) == 0 &&
	    patterns.count > 0) {
		memctl_complain("no counter matches '%s': `memctl stats` shows "
				"their names", patterns.pattern[0]);
		report_destroy(rp);
		code = EXIT_CODE_NOT_FOUND;
	} else {
		code = memctl_finish(rp);
	}
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
