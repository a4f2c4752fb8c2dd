/* SPDX-License-Identifier: MIT */
#include "client/memctl/verb.h"

#include "client/memctl/field.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the command line */

static error_t verb_take_key(int key, char *text, struct argp_state *state)
{
	struct memctl *mc = state->input;
	const struct verb *verb = mc->verb;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = mc;
		if (!verb->is_plain)
			state->child_inputs[1] = mc;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num >= verb->argument_max)
			return ARGP_ERR_UNKNOWN;
		/* Argp has moved options before them. */
		if (mc->argument_count++ == 0)
			mc->argument = &state->argv[state->next - 1];
		break;
	case ARGP_KEY_NO_ARGS:
		if (verb->missing != NULL)
			argp_error(state, "%s", verb->missing);
		return 0;
	case ARGP_KEY_END:
		break;
	default:
		/* Keys of argp itself. */
		if (key < 0 || key > OPTIONS_KEY_LAST)
			return ARGP_ERR_UNKNOWN;
	}
	if (verb->take != NULL)
		verb->take(mc, state, key, text);
	return 0;
}

static void verb_parse(struct memctl *mc, int argc, char **argv)
{
	const struct verb *verb = mc->verb;
	const struct argp_child children[] = {
		{ &options_common, 0, NULL, 0 },
		{ verb->is_plain ? NULL : &options_table, 0, NULL, 0 },
		{ NULL, 0, NULL, 0 },
	};
	const struct argp argp = {
		.options = verb->options, .parser = verb_take_key,
		.args_doc = verb->usage ? verb->usage : verb->arguments,
		.doc = verb->help, .children = children,
	};
	char name[32];

	snprintf(name, sizeof(name), "memctl %s", verb->name);
	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, mc);
	argv[0] = NULL;
	if (verb->is_patient && !mc->has_timeout)
		mc->timeout_ms = 0;
}

void verb_take_client(struct memctl *mc, struct argp_state *state, int key,
		      char *text)
{
	bool is_session = key == ARGP_KEY_ARG && text[0] == 's';
	uint32_t id = 0;

	if (key != ARGP_KEY_ARG)
		return;
	if (!options_parse_id(text + is_session,
			      is_session ? UINT32_MAX : INT32_MAX, &id) ||
	    id == 0)
		argp_error(state, "'%s' is no process id, and no session like "
			   "s12: `memctl ps` shows them", text);
	field_set(mc->request, is_session ? "session" : "pid", id);
}

/* ---- running a verb */

int verb_print(const struct memctl *mc)
{
	if (mc->view == NULL)
		return EXIT_CODE_OK;
	if (mc->verb->say != NULL && mc->style.format == REPORT_TABLE)
		return mc->verb->say(mc);
	return view_print(mc, mc->view);
}

static int verb_ask(struct memctl *mc)
{
	ProtobufCMessage *reply = NULL;
	int code = memctl_ask(mc, mc->verb->question, mc->request, &reply);

	mc->reply = reply;
	return code == EXIT_CODE_OK ? verb_print(mc) : code;
}

/* False: no memory. */
static bool verb_begin(struct memctl *mc, const struct verb *verb)
{
	mc->verb = verb;
	mc->view = verb->view;
	mc->wish = calloc(1, verb->wish_bytes + 1);
	if (verb->request == NULL)
		return mc->wish != NULL;
	mc->request = malloc(verb->request->sizeof_message);
	if (mc->request != NULL)
		protobuf_c_message_init(verb->request, mc->request);
	return mc->wish != NULL && mc->request != NULL;
}

int verb_run(const struct verb *verb, struct memctl *mc, int argc, char **argv)
{
	int code = EXIT_CODE_FAILED;

	if (verb->sub != NULL && argc > 1 &&
	    strcmp(argv[1], strchr(verb->sub->name, ' ') + 1) == 0)
		return verb_run(verb->sub, mc, argc - 1, argv + 1);
	if (!verb_begin(mc, verb)) {
		memctl_complain("cannot start: not enough memory");
	} else {
		verb_parse(mc, argc, argv);
		code = verb->run != NULL ? verb->run(mc) : verb_ask(mc);
	}
	if (mc->reply != NULL)
		protobuf_c_message_free_unpacked(mc->reply, NULL);
	free(mc->request);	/* its strings belong to the command line */
	free(mc->wish);
	return code;
}
