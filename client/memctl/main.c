/* SPDX-License-Identifier: MIT */
/* memctl: the administrator's view into memd.  Here: the table of subcommands
 * and how the program starts and ends; what they do is in their own files. */
#include "client/memctl/memctl.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

const struct command memctl_commands[] = {
	{ "status", "", "is memd well, why not, what to do", cmd_status },
	{ "ps", "", "the processes it serves", cmd_ps },
	{ "segments", "", "all segments", cmd_segments },
	{ "maps", "CLIENT", "the segments a client has mapped", cmd_maps },
	{ "stores", "", "what it keeps for other hosts", cmd_stores },
	{ "stats", "[NAME...]", "all counters", cmd_stats },
	{ "iostat", "[SECONDS]", "how much goes in and out", cmd_iostat },
	{ "faults", "", "faults by kind, with latencies", cmd_faults },
	{ "trace", "[CLIENT]", "faults as they happen", cmd_trace },
	{ "replay", "FILE", "bring in what `trace --save` saved", cmd_replay },
	{ "evict", "[CLIENT]", "write memory out to the swap file", cmd_evict },
	{ "unlink", "SEGMENT", "take a segment's name away", cmd_unlink },
	{ "disconnect", "CLIENT", "end a client's session", cmd_disconnect },
	{ "drop-guest", "ID", "drop what it keeps for another host",
	  cmd_drop_guest },
	{ "limit", "[set]", "show or set limits", cmd_limit },
	{ "config", "[KEY]", "the settings memd runs with", cmd_config },
	{ "doctor", "", "check this system and the daemon", cmd_doctor },
	{ "help", "[COMMAND]", "this list, or help on a command", cmd_help },
	{ "version", "", "memctl's version", cmd_version },
	{ NULL, NULL, NULL, NULL },
};

const struct command *memctl_find_command(const char *name)
{
	for (const struct command *cmd = memctl_commands; cmd->name; cmd++)
		if (strcmp(cmd->name, name) == 0)
			return cmd;
	return NULL;
}

/* Options before the name of the command; at the name it stops. */
static error_t parse_global(int key, char *text, struct argp_state *state)
{
	struct memctl *mc = state->input;

	(void)text;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = mc;
		state->child_inputs[1] = mc;
		return 0;
	case ARGP_KEY_ARG:
		mc->command_idx = state->next - 1;
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child global_children[] = {
	{ &memctl_common_argp, 0, NULL, 0 },
	{ &memctl_table_argp, 0, NULL, 0 }, { NULL, 0, NULL, 0 },
};

static const struct argp global_argp = {
	.parser = parse_global,
	.children = global_children,
	.args_doc = "COMMAND [ARGUMENT...]",
	.doc = "See into memd, and set its limits.  `memctl help' lists the "
	       "commands, `memctl COMMAND --help' explains one.",
};

static int run_command(struct memctl *mc, int argc, char **argv)
{
	const struct command *cmd = memctl_find_command(argv[0]);
	char name[32];

	if (cmd == NULL) {
		memctl_complain("no command '%s': `memctl help` lists them",
				argv[0]);
		return EXIT_CODE_USAGE;
	}
	snprintf(name, sizeof(name), "memctl %s", cmd->name);
	argv[0] = name;
	return cmd->run(mc, argc, argv);
}

/* Has whoever reads our output closed it? */
static bool is_reader_gone(void)
{
	struct pollfd pfd = { .fd = STDOUT_FILENO };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLERR | POLLHUP));
}

/* Output that could not be written must not look like success, except that
 * the reader may stop reading (| head) whenever it likes. */
static int finish_output(int exit_code)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_code;
	if (errno == EPIPE || is_reader_gone())
		return exit_code;
	memctl_complain("cannot write the output%s%s: make room or write it "
			"elsewhere", errno != 0 ? ": " : "",
			errno != 0 ? strerror(errno) : "");
	return EXIT_CODE_FAILED;
}

const char *argp_program_version = "memctl " MEMD_VERSION;

int main(int argc, char **argv)
{
	struct memctl mc = { .timeout_ms = MEMCTL_TIMEOUT_DEFAULT_MS };
	static char name[] = "memctl";

	setlocale(LC_CTYPE, "");	/* widths and UTF-8; numbers stay C */
	signal(SIGPIPE, SIG_IGN);
	argp_err_exit_status = EXIT_CODE_USAGE;
	argv[0] = name;
	argp_parse(&global_argp, argc, argv, ARGP_IN_ORDER, NULL, &mc);
	if (mc.command_idx == 0) {
		memctl_complain("no command given: `memctl help` lists them");
		return EXIT_CODE_USAGE;
	}
	return finish_output(run_command(&mc, argc - mc.command_idx,
					 argv + mc.command_idx));
}
