/* SPDX-License-Identifier: MIT */
/* See spread.h. */
#include "tests/bench/spread.h"

#include <stdlib.h>

static double field_of(const struct trial_result *r, size_t field)
{
	return *(const double *)((const char *)r + field);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct spread spread_of(double *values, size_t count)
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

static size_t collect(const struct row *row, enum contestant who, size_t field,
		      double *to)
{
	for (unsigned i = 0; i < row->run_count[who]; i++)
		to[i] = field_of(&row->run[who][i], field);
	return row->run_count[who];
}

struct spread spread_of_row(const struct row *row, enum contestant who,
			    size_t field)
{
	double values[REPEAT_MAX];

	return spread_of(values, collect(row, who, field, values));
}

struct spread spread_of_all(const struct report *rp, enum contestant who,
			    size_t field)
{
	double values[ROWS_MAX * REPEAT_MAX];
	size_t count = 0;

	for (unsigned i = 0; i < rp->row_count; i++)
		count += collect(&rp->rows[i], who, field, values + count);
	return spread_of(values, count);
}

double ratio_to_kernel(const struct row *row, enum contestant who,
		       size_t field)
{
	double kernel = spread_of_row(row, KERNEL_SWAP, field).median;

	return kernel > 0 ? spread_of_row(row, who, field).median / kernel : 0;
}
