/* SPDX-License-Identifier: MIT */
/* The results of all runs, as a table for people and as JSON for programs.
 * Of repeated runs it gives the median, with the smallest and the largest. */
#ifndef MEMD_BENCH_REPORT_H
#define MEMD_BENCH_REPORT_H

#include "tests/bench/machine.h"
#include "tests/bench/options.h"
#include "tests/bench/trial.h"
#include <stdio.h>

enum { ROWS_MAX = WORK_KINDS * THREAD_COUNTS_MAX };

/* One piece of work, by every contestant. */
struct row {
	const struct work_kind *kind;
	unsigned thread_count;
	unsigned run_count[CONTESTANTS];	/* 0: did not take part */
	struct trial_result run[CONTESTANTS][REPEAT_MAX];
};

struct report {
	const struct options *options;
	struct machine machine;
	char store[16];			/* memd's: "uring", "sync" */
	char kernel_left_out[512];	/* why there is no such column */
	struct row *rows;
	unsigned row_count;
};

void report_print_table(const struct report *rp, FILE *to);
void report_print_json(const struct report *rp, FILE *to);

#endif
