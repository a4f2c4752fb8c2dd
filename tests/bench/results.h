/* SPDX-License-Identifier: MIT */
/* Figures of repeated runs, as JSON: their median, with the smallest and the
 * largest.  Keys are stable: programs compare runs of years by them.  New ones
 * may come; none changes its meaning.  table.jq makes tables of it. */
#ifndef MEMD_BENCH_RESULTS_H
#define MEMD_BENCH_RESULTS_H

#include <stdio.h>

/* "key": {"median": …, "min": …, "max": …}, of values that are `stride` bytes
 * apart.  A value below 0 is not known: null.  count: at most 99. */
void results_print_spread(FILE *to, const char *key, const void *first,
			  size_t stride, unsigned count);

#endif
