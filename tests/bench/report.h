/* SPDX-License-Identifier: MIT */
/* The results of all runs: as a table for people, as JSON for programs, as
 * Markdown and a chart for the documents.  Of repeated runs they give the
 * median, some with the smallest and the largest. */
#ifndef MEMD_BENCH_REPORT_H
#define MEMD_BENCH_REPORT_H

#include "tests/bench/disk.h"
#include "tests/bench/floor.h"
#include "tests/bench/idle.h"
#include "tests/bench/machine.h"
#include "tests/bench/options.h"
#include "tests/bench/plan.h"
#include "tests/bench/trial.h"
#include <stdio.h>

enum { REASON_BYTES = 512 };

/* One job, by every contestant. */
struct row {
	struct job job;
	unsigned run_count[CONTESTANTS];	/* 0: did not take part */
	struct trial_result run[CONTESTANTS][REPEAT_MAX];
};

struct floor_row {
	unsigned run_count;
	struct floor_result run[REPEAT_MAX];
};

struct disk_row {
	unsigned run_count;
	struct disk_result run[REPEAT_MAX];
};

struct report {
	const struct options *options;
	struct machine machine;
	char store[16];			/* memd's: "uring", "sync" */
	/* Why something is not there; empty: it is, or was not asked for. */
	char left_out[CONTESTANTS][REASON_BYTES];
	char floors_left_out[REASON_BYTES];
	char disk_left_out[REASON_BYTES];
	struct row *rows;
	unsigned row_count;
	struct floor_row floors[FLOOR_KINDS];
	struct disk_row disk[DISK_KINDS];
	bool has_idle[CONTESTANTS];
	struct idle_result idle[CONTESTANTS];
};

/* Names to print, shorter than 16 bytes. */
extern const char *const contestant_titles[CONTESTANTS];

/* "a quiet machine" or not: a sentence to print, or NULL. */
const char *report_warning(const struct report *rp);

void report_print_table(const struct report *rp, FILE *to);
void report_print_json(const struct report *rp, FILE *to);
void report_print_markdown(const struct report *rp, FILE *to);
void report_print_chart(const struct report *rp, FILE *to);

#endif
