/* SPDX-License-Identifier: MIT */
/* memctl help: the list of commands, from the same table that runs them. */
#include "client/memctl/verbs.h"

#include <stdio.h>

static int help_run(struct memctl *mc)
{
	char title[] = "", option[] = "--help";
	char *arguments[] = { title, option, NULL };
	struct memctl other = { 0 };
	const struct verb *verb;

	if (mc->argument_count > 0) {
		verb = verbs_find(mc->argument[0]);
		return verb == NULL ? EXIT_CODE_USAGE :
				      verb_run(verb, &other, 2, arguments);
	}
	printf("Usage: memctl [OPTION...] COMMAND [ARGUMENT...]\n"
	       "See into memd, and set its limits.\n\n");
	for (size_t i = 0; verbs[i] != NULL; i++)
		printf("  %-10s %-10s %s\n", verbs[i]->name,
		       verbs[i]->arguments != NULL ? verbs[i]->arguments : "",
		       verbs[i]->summary);
	printf("\n`memctl COMMAND --help` explains one; memctl(1) has the "
	       "exit codes.\n");
	return EXIT_CODE_OK;
}

const struct verb verb_help = {
	.name = "help", .summary = "this list, or help on a command",
	.arguments = "[COMMAND]",
	.help = "List the commands, or explain COMMAND.",
	.argument_max = 1, .is_plain = true, .run = help_run,
};
