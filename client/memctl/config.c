/* SPDX-License-Identifier: MIT */
/* memctl config: the settings memd runs with, and where they come from. */
#include "client/memctl/verbs.h"

#include <string.h>

static const struct report_column config_columns[] = {
	COLUMN("KEY", "name", TEXT),
	COLUMN("VALUE", "value", TEXT),
	COLUMN("SOURCE", "source", TEXT),
	COLUMN("RELOAD", "reloadable", FLAG),
	COLUMN("DEFAULT", "default_value", TEXT, .flags = REPORT_LONG),
	COLUMN("HELP", "help", TEXT, .flags = REPORT_LONG | REPORT_WRAP),
	COLUMN("WAITING", "waiting_value", TEXT),
};

static bool config_is_wanted(const struct memctl *mc, const void *row)
{
	const Memd__ConfigKey *key = row;

	return mc->argument_count == 0 ||
	       strcmp(key->name, mc->argument[0]) == 0;
}

static const struct view config_view = {
	.form = REPORT_FORM(ROWS, "config", config_columns),
	.rows = "key", .is_wanted = config_is_wanted,
	.none = { "no key", "`memctl config` shows them" },
};

const struct verb verb_config = {
	.name = "config", .summary = "the settings memd runs with",
	.arguments = "[KEY]",
	.help = "Show the settings memd runs with, or that of KEY: the value, "
		"where it comes from (default, file, environment, flag), and "
		"whether SIGHUP can change it, and the value that waits for a "
		"restart.  With --long the default and what the key means, "
		"too.  memd.conf(5) explains them all.",
	.argument_max = 1,
	.question = ASK_CONFIG, .view = &config_view,
};
