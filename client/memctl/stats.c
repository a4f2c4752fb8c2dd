/* SPDX-License-Identifier: MIT */
/* memctl stats: all counters of memd, with their meaning. */
#include "client/memctl/verbs.h"

#include <fnmatch.h>
#include <string.h>

static void stats_add_value(struct report *rp, const void *message)
{
	const Memd__Counter *counter = message;
	const char *unit = counter->unit != NULL ? counter->unit : "";

	report_number_as(rp, strcmp(unit, "bytes") == 0 ? REPORT_SIZE :
			 strcmp(unit, "ns") == 0 ? REPORT_TIME :
			 REPORT_NUMBER, counter->value);
}

static const struct report_column stats_columns[] = {
	COLUMN("NAME", "name", TEXT),
	COLUMN("VALUE", "value", NUMBER, .add = stats_add_value),
	COLUMN(NULL, "unit", TEXT),
	COLUMN(NULL, "is_gauge", FLAG),
	COLUMN("HELP", "help", TEXT, .flags = REPORT_WRAP),
};

/* Arguments are patterns of names; without arguments all counters are shown. */
static bool stats_is_wanted(const struct memctl *mc, const void *row)
{
	const Memd__Counter *counter = row;

	for (unsigned i = 0; i < mc->argument_count; i++)
		if (fnmatch(mc->argument[i], counter->name, 0) == 0)
			return true;
	return mc->argument_count == 0;
}

static const struct view stats_view = {
	.form = REPORT_FORM(ROWS, "stats", stats_columns),
	.rows = "counter", .is_wanted = stats_is_wanted,
	.none = { "no counter matches", "`memctl stats` shows their names" },
};

const struct verb verb_stats = {
	.name = "stats", .summary = "all counters",
	.arguments = "[NAME...]",
	.help = "Show memd's counters, or those NAMEd; patterns such as "
		"'faults*' are allowed.",
	.argument_max = UINT_MAX,
	.question = ASK_COUNTERS, .view = &stats_view,
};
