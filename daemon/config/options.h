/* SPDX-License-Identifier: MIT */
/* The command line of memd: one flag for each setting, made from their table,
 * and a few more flags. */
#ifndef MEMD_CONFIG_OPTIONS_H
#define MEMD_CONFIG_OPTIONS_H

#include "daemon/config/config.h"

struct options {
	struct config_origin origin;	/* points into argv */
	bool must_check;		/* --check */
	bool must_dump;			/* --dump-config */
};

/* Exits for --help, --version and unknown flags. */
void options_parse(int argc, char **argv, struct options *ret_options);

#endif
