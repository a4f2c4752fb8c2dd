/* SPDX-License-Identifier: MIT */
/* The command line of the paging benchmark. */
#ifndef MEMD_BENCH_OPTIONS_H
#define MEMD_BENCH_OPTIONS_H

#include "tests/bench/plan.h"

enum { OPTIONS_MEMD_FLAGS = 8 };

struct options {
	unsigned limit_mib;
	unsigned access_count;
	unsigned repeat;
	bool has_job[JOBS];
	bool has_contestant[CONTESTANTS];
	bool is_small;		/* --quick or --smoke: no figures to judge by */
	bool is_smoke;		/* and read every word again after every run */
	bool is_room_asked;	/* say how much swap it takes, and end */
	const char *memd_flag[OPTIONS_MEMD_FLAGS + 1];	/* NULL-terminated */
	const char *turn[2];	/* FIFOs (paging.c); NULL: none */
	const char *folder;	/* for memd's swap file; and there is, unless
				 * the kernel is left out, the cgroup "group" */
	char swap_file[512];	/* the kernel's swap, there */
	char zram[512];
};

/* Parse.  Ends the program with status 64 and a line on stderr when the
 * command line is wrong, with 0 after --help. */
void options_parse(int argc, char **argv, struct options *ret_options);

#endif
