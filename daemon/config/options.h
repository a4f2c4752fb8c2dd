/* SPDX-License-Identifier: MIT */
/* The command line of memd: a flag for every setting, made from their table,
 * and a few of its own. */
#ifndef MEMD_CONFIG_OPTIONS_H
#define MEMD_CONFIG_OPTIONS_H

#include "daemon/config/config.h"

struct options {
	struct config_origin origin;	/* points into argv */
	bool must_check;		/* --check */
	bool must_dump;			/* --dump-config */
};

/* Exits by itself for --help, --version and for flags that do not exist. */
void options_parse(int argc, char **argv, struct options *ret_options);

#endif
