/* SPDX-License-Identifier: MIT */
/* See results.h. */
#include "tests/bench/results.h"

#include "common/checks.h"
#include <stdlib.h>
#include <string.h>

enum { COUNT_MAX = 99 };

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_number(FILE *to, const char *key, double value,
			 const char *end)
{
	if (value < 0)
		fprintf(to, "\"%s\": null%s", key, end);
	else
		fprintf(to, "\"%s\": %.9g%s", key, value, end);
}

void results_print_spread(FILE *to, const char *key, const void *first,
			  size_t stride, unsigned count)
{
	double v[COUNT_MAX];

	ASSERT(count >= 1 && count <= COUNT_MAX);
	for (unsigned i = 0; i < count; i++)
		memcpy(&v[i], (const char *)first + i * stride, sizeof(v[i]));
	qsort(v, count, sizeof(v[0]), by_value);
	fprintf(to, ",\n     \"%s\": {", key);
	print_number(to, "median", (v[(count - 1) / 2] + v[count / 2]) / 2,
		     ", ");
	print_number(to, "min", v[0], ", ");
	print_number(to, "max", v[count - 1], "}");
}
