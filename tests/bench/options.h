/* SPDX-License-Identifier: MIT */
/* The command line of the paging benchmark. */
#ifndef MEMD_BENCH_OPTIONS_H
#define MEMD_BENCH_OPTIONS_H

#include "tests/bench/workload.h"
#include <stdbool.h>
#include <stdint.h>

enum contestant {
	MEMD_INLINE,
	MEMD_THREAD,
	KERNEL_SWAP,
	CONTESTANTS
};
extern const char *const contestant_names[CONTESTANTS];

enum { THREAD_COUNTS_MAX = 8, REPEAT_MAX = 99 };

struct options {
	unsigned memory_mib;
	unsigned limit_mib;
	unsigned access_count;
	unsigned repeat;
	unsigned thread_counts[THREAD_COUNTS_MAX];
	unsigned thread_counts_count;
	bool has_work[WORK_KINDS];
	bool has_contestant[CONTESTANTS];
	bool is_quick;
	bool is_checked;	/* read every word again after every run */
	const char *json_path;	/* NULL: none; "-": stdout, and no table */
	const char *folder;	/* for the swap files; NULL: choose */
};

/* Parse.  Ends the program with status 64 and a line on stderr when the
 * command line is wrong, with 0 after --help. */
void options_parse(int argc, char **argv, struct options *ret_options);

#endif
