/* SPDX-License-Identifier: MIT */
#include "daemon/config/options.h"

#include "daemon/config/exit_status.h"
#include <argp.h>
#include <limits.h>
#include <string.h>

const char *argp_program_version = "memd " MEMD_VERSION;

enum {
	OPTION_CONFIG = 'c',
	OPTION_CHECK = 0x1000, OPTION_DUMP, OPTION_FOREGROUND, OPTION_REPLACED,
	OPTION_KEYS = 0x2000,		/* + index into config_keys */
	OPTION_NAME_BYTES = 64,
	OPTION_HELP_BYTES = 640,
};

static char config_help[PATH_MAX];

static const struct argp_option own_options[] = {
	{ "config", OPTION_CONFIG, "FILE", 0, config_help, 1 },
	{ "check", OPTION_CHECK, NULL, 0,
	  "Look at the settings and the system, say what is missing and how to "
	  "get it, and exit: 0 when memd can run, 1 when something, a setting "
	  "too, is in the way", 1 },
	{ "dump-config", OPTION_DUMP, NULL, 0,
	  "Print a commented configuration file with every setting at its "
	  "default, and exit", 1 },
	{ "foreground", OPTION_FOREGROUND, NULL, 0,
	  "Stay in the foreground (memd always does)", 1 },
	{ "swap-file", OPTION_REPLACED, "FILE", OPTION_HIDDEN, NULL, 1 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	if (key >= OPTION_KEYS && key < OPTION_KEYS + CONFIG_KEYS) {
		options->origin.flag[key - OPTION_KEYS] = arg;
		return 0;
	}
	switch (key) {
	case OPTION_CONFIG:
		options->origin.file = arg;
		return 0;
	case OPTION_CHECK:
		options->must_check = true;
		return 0;
	case OPTION_DUMP:
		options->must_dump = true;
		return 0;
	case OPTION_FOREGROUND:
		return 0;
	case OPTION_REPLACED:
		argp_error(state, "--swap-file: %s",
			   config_find_replaced("swap_file"));
		return EINVAL;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is not a flag; settings are given "
			   "as --pool-size=64M", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char *value_name(enum config_kind kind)
{
	static const char *const names[] = {
		[CONFIG_SIZE] = "SIZE", [CONFIG_COUNT] = "N",
		[CONFIG_PERCENT] = "PERCENT", [CONFIG_MS] = "TIME",
		[CONFIG_US] = "MICROSECONDS", [CONFIG_MODE] = "MODE",
		[CONFIG_TEXT] = "TEXT", [CONFIG_CHOICE] = "WORD",
	};

	return names[kind];
}

/* Texts of the flags made from the table; argp keeps pointers to them. */
static char flag_name[CONFIG_KEYS][OPTION_NAME_BYTES];
static char flag_help[CONFIG_KEYS][OPTION_HELP_BYTES];

static struct argp_option key_option(size_t i)
{
	const struct config_key *key = &config_keys[i];

	config_flag(key, flag_name[i], sizeof(flag_name[i]));
	snprintf(flag_help[i], sizeof(flag_help[i]), "%s (%s%s%s)", key->help,
		 key->kind == CONFIG_CHOICE ? key->choices : "default",
		 key->kind == CONFIG_CHOICE ? "; default " : " ",
		 key->default_text[0] != '\0' ? key->default_text : "empty");
	return (struct argp_option){
		.name = flag_name[i],
		.key = OPTION_KEYS + (int)i,
		.arg = value_name(key->kind),
		.doc = flag_help[i],
		.group = 2,
	};
}

void options_parse(int argc, char **argv, struct options *ret_options)
{
	struct argp_option option[ARRAY_SIZE(own_options) + CONFIG_KEYS + 1];
	struct argp argp = {
		.options = option,
		.parser = parse_option,
		.doc = "Serve memory to programs that link libmemclient: a "
		       "pool of frames and swap files, paged by userfaultfd."
		       "\vEach setting may also be given in the configuration "
		       "file (pool_size = 64M) or the environment "
		       "(MEMD_POOL_SIZE=64M); flags win over the environment, "
		       "that over the file.\n\nExit status: 0 stopped orderly, "
		       "or --check found nothing in the way; 1 could not start "
		       "or run, or --check found something in the way; 2 bad "
		       "flags, or, without --check, bad settings; 3 the kernel "
		       "refuses userfaultfd (with --check: 1).",
	};
	size_t n = 0;

	snprintf(config_help, sizeof(config_help), "Read settings from FILE "
		 "(default: %s, if it is there)", config_default_file());
	for (size_t i = 0; i < ARRAY_SIZE(own_options); i++)
		option[n++] = own_options[i];
	for (size_t i = 0; i < CONFIG_KEYS; i++)
		option[n++] = key_option(i);
	option[n] = (struct argp_option){ 0 };
	*ret_options = (struct options){ 0 };
	argp_err_exit_status = EXIT_BAD_CONFIG;
	argp_parse(&argp, argc, argv, 0, NULL, ret_options);
}
