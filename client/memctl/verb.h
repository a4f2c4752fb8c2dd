/* SPDX-License-Identifier: MIT */
/* A verb is a subcommand, described by a table entry.  All verbs do the same:
 * parse the command line, ask memd, print the answer. */
#ifndef MEMD_MEMCTL_VERB_H
#define MEMD_MEMCTL_VERB_H

#include "client/memctl/options.h"
#include "client/memctl/view.h"
#include <limits.h>

struct verb {
	const char *name, *summary;
	/* As shown by `memctl help`; NULL: none. */
	const char *arguments;

	/* The arguments in detail; NULL: as `arguments`. */
	const char *usage;
	const char *help;
	const struct argp_option *options;
	unsigned argument_max;
	const char *missing;		/* message if there is no argument */
	/* Takes the command line: called for each option of the verb, with its
	 * key; for each argument, with ARGP_KEY_ARG; and at the end, with
	 * ARGP_KEY_END.  It may change mc->request, wish, view and order. */
	void (*take)(struct memctl *mc, struct argp_state *state, int key,
		     char *text);
	size_t wish_bytes;
	bool is_plain;			/* does not take --bytes and --long */
	/* Without --timeout there is no time limit. */
	bool is_patient;
	/* The verb "NAME WORD", if WORD is the first argument. */
	const struct verb *sub;

	/* The question, the descriptor of its message (NULL: none), and the
	 * view of the answer (NULL: nothing is shown).  `say` replaces the
	 * table, and returns an exit code. */
	enum connection_question question;
	const ProtobufCMessageDescriptor *request;
	const struct view *view;
	int (*say)(const struct memctl *mc);

	/* Replaces asking and printing.  Returns an exit code. */
	int (*run)(struct memctl *mc);
};

/* Run the verb.  argv[0] is any text.  Like argp_parse(), prints help and usage
 * errors and then ends the program.  Returns an exit code; a failure was
 * printed. */
int verb_run(const struct verb *verb, struct memctl *mc, int argc, char **argv)
	MUST_CHECK;

/* Print the answer.  Returns an exit code. */
int verb_print(const struct memctl *mc) MUST_CHECK;

/* A `take` for verbs whose argument is a client: a process (1201) or a session
 * (s12).  A session has no process here if that is in another pid namespace or
 * on another host.  The client is put into the request; anything else is a
 * usage error. */
void verb_take_client(struct memctl *mc, struct argp_state *state, int key,
		      char *text);

#endif
