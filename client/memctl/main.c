/* SPDX-License-Identifier: MIT */
/* memctl: the administrator's tool for memd.  This file starts and ends the
 * program.  The subcommands are in verbs.c. */
#include "client/memctl/verbs.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct start {
	struct memctl mc;
	int command_idx;		/* 0: there is no command */
};

/* Take the options before the command's name.  The name ends the parsing. */
static error_t main_take_key(int key, char *text, struct argp_state *state)
{
	struct start *start = state->input;

	(void)text;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->child_inputs[1] = &start->mc;
		return 0;
	case ARGP_KEY_ARG:
		start->command_idx = state->next - 1;
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child main_children[] = {
	{ &options_common, 0, NULL, 0 },
	{ &options_table, 0, NULL, 0 }, { NULL, 0, NULL, 0 },
};

static const struct argp main_argp = {
	.parser = main_take_key,
	.children = main_children,
	.args_doc = "COMMAND [ARGUMENT...]",
	.doc = "See into memd, and set its limits.  `memctl help' lists the "
	       "commands, `memctl COMMAND --help' explains one.",
};

/* True if the reader of the output has closed it. */
static bool main_is_reader_gone(void)
{
	struct pollfd pfd = { .fd = STDOUT_FILENO };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLERR | POLLHUP));
}

/* If output could not be written, the exit status must not say success.
 * Exception: a reader may stop reading at any time (| head). */
static int main_finish_output(int exit_code)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_code;
	if (errno == EPIPE || main_is_reader_gone())
		return exit_code;
	memctl_complain("cannot write the output%s%s: make room or write it "
			"elsewhere", errno != 0 ? ": " : "",
			errno != 0 ? strerror(errno) : "");
	return EXIT_CODE_FAILED;
}

const char *argp_program_version = "memctl " MEMD_VERSION;

int main(int argc, char **argv)
{
	struct start start = { .mc.timeout_ms = MEMCTL_TIMEOUT_DEFAULT_MS };
	static char name[] = "memctl";
	const struct verb *verb;

	/* For widths and UTF-8; numbers stay in C. */
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	argp_err_exit_status = EXIT_CODE_USAGE;
	argv[0] = name;
	argp_parse(&main_argp, argc, argv, ARGP_IN_ORDER, NULL, &start);
	if (start.command_idx == 0) {
		memctl_complain("no command given: `memctl help` lists them");
		return EXIT_CODE_USAGE;
	}
	argv += start.command_idx;
	verb = verbs_find(argv[0]);
	if (verb == NULL)
		return EXIT_CODE_USAGE;
	return main_finish_output(verb_run(verb, &start.mc,
					   argc - start.command_idx, argv));
}
