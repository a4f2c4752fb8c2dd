/* SPDX-License-Identifier: MIT */
/* memctl config: the settings memd runs with, and where they come from. */
#include "client/memctl/memctl.h"

#include <string.h>

static error_t parse(int key, char *text, struct argp_state *state)
{
	const char **name = state->input;

	if (key != ARGP_KEY_ARG || state->arg_num > 0)
		return ARGP_ERR_UNKNOWN;
	*name = text;
	return 0;
}

static const struct argp config_argp = {
	.parser = parse,
	.args_doc = "[KEY]",
	.doc = "Show the settings memd runs with, or that of KEY: the value, "
	       "where it comes from (default, file, environment, flag), and "
	       "whether SIGHUP can change it, and the value that waits for a "
	       "restart.  With --long the default and what the key means, "
	       "too.  memd.conf(5) explains them all.",
};

static const struct report_column columns[] = {
	{ "KEY", "name", REPORT_TEXT, 0, 0 },
	{ "VALUE", "value", REPORT_TEXT, 0, 0 },
	{ "SOURCE", "source", REPORT_TEXT, 0, 0 },
	{ "RELOAD", "reloadable", REPORT_FLAG, 0, 0 },
	{ "DEFAULT", "default_value", REPORT_TEXT, REPORT_LONG, 0 },
	{ "HELP", "help", REPORT_TEXT, REPORT_LONG | REPORT_WRAP, 0 },
	{ "WAITING", "waiting_value", REPORT_TEXT, 0, 0 },
};

/* An empty value is seen better as "-". */
static const char *or_unknown(const char *text)
{
	return text == NULL || text[0] == '\0' ? NULL : text;
}

/* Returns how many keys there are of that name (NULL: of any). */
static size_t add_keys(struct report *rp, const Memd__ConfigReply *config,
		       const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < config->n_key; i++) {
		const Memd__ConfigKey *key = config->key[i];

		if (name != NULL && strcmp(key->name, name) != 0)
			continue;
		report_text(rp, key->name);
		report_text(rp, or_unknown(key->value));
		report_text(rp, key->source);
		report_flag(rp, key->reloadable);
		report_text(rp, or_unknown(key->default_value));
		report_text(rp, key->help);
		report_text(rp, or_unknown(key->waiting_value));
		report_end_row(rp);
		count++;
	}
	return count;
}

int cmd_config(struct memctl *mc, int argc, char **argv)
{
	const char *name = NULL;
	ProtobufCMessage *reply;
	struct report *rp;
	int code;

	memctl_parse(mc, &config_argp, argc, argv, &name);
	code = memctl_ask(mc, ASK_CONFIG, NULL, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	rp = report_create(REPORT_ROWS, "config", columns, ARRAY_SIZE(columns),
			   &mc->style);
	if (rp != NULL && add_keys(rp, (void *)reply, name) == 0 &&
	    name != NULL) {
		memctl_complain("no key '%s': `memctl config` shows them",
				name);
		report_destroy(rp);
		code = EXIT_CODE_NOT_FOUND;
	} else {
		code = memctl_finish(rp);
	}
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
