/* SPDX-License-Identifier: MIT */
/* memctl help: the list of commands, from the same table that runs them. */
#include "client/memctl/memctl.h"

static error_t parse(int key, char *text, struct argp_state *state)
{
	const char **name = state->input;

	if (key != ARGP_KEY_ARG || state->arg_num > 0)
		return ARGP_ERR_UNKNOWN;
	*name = text;
	return 0;
}

static const struct argp help_argp = {
	.parser = parse,
	.args_doc = "[COMMAND]",
	.doc = "List the commands, or explain COMMAND.",
};

static void print_list(void)
{
	printf("Usage: memctl [OPTION...] COMMAND [ARGUMENT...]\n"
	       "See into memd, and set its limits.\n\n");
	for (const struct command *cmd = memctl_commands; cmd->name; cmd++)
		printf("  %-10s %-10s %s\n", cmd->name, cmd->arguments,
		       cmd->summary);
	printf("\n`memctl COMMAND --help` explains one; memctl(1) has the "
	       "exit codes.\n");
}

int cmd_help(struct memctl *mc, int argc, char **argv)
{
	static char help_option[] = "--help";
	const struct command *cmd;
	const char *name = NULL;
	char title[32];
	char *arguments[] = { title, help_option, NULL };

	memctl_parse_plain(mc, &help_argp, argc, argv, &name);
	if (name == NULL) {
		print_list();
		return EXIT_CODE_OK;
	}
	cmd = memctl_find_command(name);
	if (cmd == NULL) {
		memctl_complain("no command '%s': `memctl help` lists them",
				name);
		return EXIT_CODE_USAGE;
	}
	snprintf(title, sizeof(title), "memctl %s", cmd->name);
	return cmd->run(mc, 2, arguments);
}
