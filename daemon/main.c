/* SPDX-License-Identifier: MIT */
/* The program memd: decides from the command line what to do. */
#include "daemon/admin/check.h"
#include "daemon/daemon.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/keeper_process.h"
#include "daemon/config/exit_status.h"
#include "daemon/config/options.h"
#include "daemon/backing/punch_helper.h"
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct options options;
	struct config config;
	char reason[CONFIG_REASON_BYTES];

	/* memd starts itself with this flag: see keeper.h. */
	if (argc == 2 && strcmp(argv[1], KEEPER_FLAG) == 0)
		return keeper_process_run(STDIN_FILENO);
	punch_helper_main(argc, argv);
	options_parse(argc, argv, &options);
	if (options.must_dump) {
		config_dump(stdout);
		return fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	if (options.must_check)
		return check_all(&options.origin, stdout);
	if (config_load(&options.origin, &config, reason,
			sizeof(reason)) != 0) {
		fprintf(stderr, "memd: %s\n", reason);
		return EXIT_BAD_CONFIG;
	}
	return daemon_run(&options.origin, &config);
}
