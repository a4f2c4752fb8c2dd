/* SPDX-License-Identifier: MIT */
/* Median, least and most of one figure over repeated runs; and which of the
 * kernel's variants counts as the kernel. */
#ifndef MEMD_BENCH_SPREAD_H
#define MEMD_BENCH_SPREAD_H

#include "tests/bench/report.h"
#include <stddef.h>

struct spread {
	double median, least, most;
};

/* Of count values, which it sorts.  All 0 when there are none. */
struct spread spread_of(double *values, size_t count);

/* Of the field at offset `field` of struct trial_result.  All 0 when the
 * contestant did not take part. */
struct spread spread_of_row(const struct row *row, enum contestant who,
			    size_t field);

/* The median alone; below 0: not known. */
double row_median(const struct row *row, enum contestant who, size_t field);

/* The kernel's swap to a file at its best: with the vm.page-cluster that gives
 * the smaller mean time.  All other figures of the kernel are those of the same
 * runs.  CONTESTANTS: it did not take part. */
enum contestant row_best_kernel(const struct row *row);

/* Accesses a second by those of the best kernel: how many times as fast.
 * Below 0: not known. */
double row_speed(const struct row *row, enum contestant who);

/* Medians of what is measured without memd; below 0: not measured. */
double floor_median_ns(const struct report *rp, enum floor_how how,
		       enum floor_ask ask);
double disk_median(const struct disk_row *row, size_t field);

/* Bytes a second, of the best of the reads in order. */
double disk_best_in_order(const struct report *rp);
/* Reads of 4 KiB a second at this depth. */
double disk_random_per_s(const struct report *rp, unsigned depth);

#define FIELD(name) offsetof(struct trial_result, name)

#endif
