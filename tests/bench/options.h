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
	KERNEL_CLUSTER_0,
	KERNEL_CLUSTER_3,
	KERNEL_ZRAM,
	CONTESTANTS
};
extern const char *const contestant_names[CONTESTANTS];

static inline bool contestant_is_memd(enum contestant who)
{
	return who == MEMD_INLINE || who == MEMD_THREAD;
}

enum { LIST_MAX = 8, REPEAT_MAX = 99, PROCESSES_MAX = 32 };

/* Some numbers; none: the plan's. */
struct number_list {
	unsigned number[LIST_MAX];
	unsigned count;
};

struct options {
	unsigned limit_mib;
	unsigned access_count;
	unsigned repeat;
	unsigned idle_s;
	struct number_list threads, processes, memory_percent;
	bool has_work[WORK_KINDS];
	bool has_chosen_work;	/* by name: else the plan's */
	bool has_floors, has_disk, has_idle;
	bool has_contestant[CONTESTANTS];
	bool is_small;		/* --quick or --smoke: no figures to judge by */
	bool is_checked;	/* read every word again after every run */
	const char *json_path;	/* NULL: none; "-": stdout, and no table */
	const char *markdown_path;
	const char *chart_path;
	const char *folder;	/* for the swap files; NULL: choose */
};

/* Parse.  Ends the program with status 64 and a line on stderr when the
 * command line is wrong, with 0 after --help. */
void options_parse(int argc, char **argv, struct options *ret_options);

#endif
