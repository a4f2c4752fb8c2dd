/* SPDX-License-Identifier: MIT */
/* A log-linear histogram of nanoseconds: four buckets for each power of two, so
 * a percentile is exact to 25 %.  Fixed size, no allocation (a reduced
 * HdrHistogram).  Not thread-safe. */
#ifndef MEMD_COMMON_HISTOGRAM_H
#define MEMD_COMMON_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 160 };	/* up to 2^40 ns, 18 minutes */

struct histogram {
	uint64_t count;
	uint64_t sum_ns;
	uint64_t max_ns;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);

/* Add `count` events of `ns` each. */
void histogram_add_many(struct histogram *h, uint64_t ns, uint64_t count);

/* The upper edge, in ns, of the bucket that holds the fraction `q` (0..1) of
 * the events; never above the largest value seen.  0 if empty. */
uint64_t histogram_quantile(const struct histogram *h, double q);

/* The lower edge of bucket `idx`, in ns. */
uint64_t histogram_bucket_floor(unsigned idx);

#endif
