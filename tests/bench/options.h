/* SPDX-License-Identifier: MIT */
/* The command line of the paging benchmark. */
#ifndef MEMD_BENCH_OPTIONS_H
#define MEMD_BENCH_OPTIONS_H

#include "tests/bench/workload.h"
#include <stdbool.h>

enum contestant {
	MEMD_INLINE,
	MEMD_THREAD,
	KERNEL_CLUSTER_0,	/* a swap file, one page a read */
	KERNEL_CLUSTER_3,	/* up to eight: the kernel's default */
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
	struct number_list threads, processes, memory_percent;
	bool has_work[WORK_KINDS];
	bool has_chosen_work;	/* by name: else the plan's */
	bool has_contestant[CONTESTANTS];
	bool is_small;		/* --quick or --smoke: no figures to judge by */
	bool is_checked;	/* read every word again after every run */
	bool is_room_asked;	/* say how much swap it takes, and end */
	const char *folder;	/* for memd's swap file */
	const char *group;	/* the kernel's: a cgroup with the limit, */
	const char *swap_file;	/* and what it swaps to; NULL: left out */
	const char *zram;
};

/* Parse.  Ends the program with status 64 and a line on stderr when the
 * command line is wrong, with 0 after --help. */
void options_parse(int argc, char **argv, struct options *ret_options);

#endif
