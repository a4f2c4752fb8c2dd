/* SPDX-License-Identifier: MIT */
/* A subcommand, as a table says it, and the one way all of them go: take the
 * command line, ask memd, print its answer. */
#ifndef MEMD_MEMCTL_VERB_H
#define MEMD_MEMCTL_VERB_H

#include "client/memctl/options.h"
#include "client/memctl/view.h"
#include <limits.h>

struct verb {
	const char *name, *summary;
	const char *arguments;		/* as `memctl help` lists them; NULL:
					 * none */

	/* The command line.  `take` gets the verb's options by their keys, its
	 * arguments with ARGP_KEY_ARG, and at last ARGP_KEY_END; it may change
	 * mc->request, wish, view and order. */
	const char *usage;		/* the arguments, at length; NULL: the
					 * same */
	const char *help;
	const struct argp_option *options;
	unsigned argument_max;
	const char *missing;		/* said when there is no argument */
	void (*take)(struct memctl *mc, struct argp_state *state, int key,
		     char *text);
	size_t wish_bytes;
	bool is_plain;			/* without --bytes and --long */
	bool is_patient;		/* without --timeout waits for ever */
	const struct verb *sub;		/* "NAME WORD": that one, where WORD is
					 * the first argument */

	/* The question, the descriptor of its message (NULL: none), and what
	 * is shown of the answer (NULL: nothing).  `say` tells people, where a
	 * table would not; returns an exit code. */
	enum connection_question question;
	const ProtobufCMessageDescriptor *request;
	const struct view *view;
	int (*say)(const struct memctl *mc);

	/* In place of asking and printing.  Returns an exit code. */
	int (*run)(struct memctl *mc);
};

/* Do it.  argv[0] is any text.  Like argp_parse(), prints help and usage errors
 * and then ends the program.  Returns an exit code; failures have been
 * printed. */
int verb_run(const struct verb *verb, struct memctl *mc, int argc, char **argv)
	MUST_CHECK;

/* Print the answer.  Returns an exit code. */
int verb_print(const struct memctl *mc) MUST_CHECK;

/* As `take`: an argument is a client's process (1201), or its session (s12),
 * which has no process here where that is in another pid namespace or on
 * another host.  It goes to the request, or is a usage error. */
void verb_take_client(struct memctl *mc, struct argp_state *state, int key,
		      char *text);

#endif
