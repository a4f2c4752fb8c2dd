/* SPDX-License-Identifier: MIT */
/* See spread.h. */
#include "tests/bench/spread.h"

#include <stdlib.h>
#include <string.h>

static double field_at(const void *of, size_t field)
{
	double value;

	memcpy(&value, (const char *)of + field, sizeof(value));
	return value;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread spread_of(double *values, size_t count)
{
	if (count == 0)
		return (struct spread){ 0 };
	qsort(values, count, sizeof(*values), by_value);
	return (struct spread){
		.median = (values[(count - 1) / 2] + values[count / 2]) / 2,
		.least = values[0],
		.most = values[count - 1],
	};
}

struct spread spread_of_row(const struct row *row, enum contestant who,
			    size_t field)
{
	double values[REPEAT_MAX];

	for (unsigned i = 0; i < row->run_count[who]; i++)
		values[i] = field_at(&row->run[who][i], field);
	return spread_of(values, row->run_count[who]);
}

double row_median(const struct row *row, enum contestant who, size_t field)
{
	if (who == CONTESTANTS || row->run_count[who] == 0)
		return -1;
	return spread_of_row(row, who, field).median;
}

enum contestant row_best_kernel(const struct row *row)
{
	double zero = row_median(row, KERNEL_CLUSTER_0, FIELD(mean_ns));
	double three = row_median(row, KERNEL_CLUSTER_3, FIELD(mean_ns));

	if (zero < 0 && three < 0)
		return CONTESTANTS;
	return three < 0 || (zero >= 0 && zero <= three) ? KERNEL_CLUSTER_0 :
							    KERNEL_CLUSTER_3;
}

double row_speed(const struct row *row, enum contestant who)
{
	double kernel = row_median(row, row_best_kernel(row),
				   FIELD(accesses_per_s));
	double own = row_median(row, who, FIELD(accesses_per_s));

	return kernel > 0 && own > 0 ? own / kernel : -1;
}

double floor_median_ns(const struct report *rp, enum floor_how how,
		       enum floor_ask ask)
{
	double values[REPEAT_MAX];

	for (size_t i = 0; i < FLOOR_KINDS; i++) {
		const struct floor_row *row = &rp->floors[i];

		if (floor_kinds[i].how != how || floor_kinds[i].ask != ask ||
		    row->run_count == 0)
			continue;
		for (unsigned r = 0; r < row->run_count; r++)
			values[r] = row->run[r].mean_ns;
		return spread_of(values, row->run_count).median;
	}
	return -1;
}

double disk_median(const struct disk_row *row, size_t field)
{
	double values[REPEAT_MAX];

	if (row->run_count == 0)
		return -1;
	for (unsigned r = 0; r < row->run_count; r++)
		values[r] = field_at(&row->run[r], field);
	return spread_of(values, row->run_count).median;
}

double disk_best_in_order(const struct report *rp)
{
	double best = -1;

	for (size_t i = 0; i < DISK_KINDS; i++) {
		double rate = disk_median(&rp->disk[i],
					  offsetof(struct disk_result,
						   bytes_per_s));

		if (!disk_kinds[i].is_random && !disk_kinds[i].is_mixed)
			best = MAX(best, rate);
	}
	return best;
}

double disk_random_per_s(const struct report *rp, unsigned depth)
{
	for (size_t i = 0; i < DISK_KINDS; i++)
		if (disk_kinds[i].is_random && disk_kinds[i].depth == depth)
			return disk_median(&rp->disk[i],
					   offsetof(struct disk_result,
						    bytes_per_s)) /
			       WORKLOAD_PAGE_BYTES;
	return -1;
}
