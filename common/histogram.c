/* SPDX-License-Identifier: MIT */
#include "common/histogram.h"

#include "common/checks.h"

/* Values below 4 have a bucket each.  For larger values, the two bits after the
 * leading one choose among the four buckets of the power of two. */
static unsigned histogram_bucket(uint64_t ns)
{
	unsigned log2, idx;

	if (ns < 4)
		return (unsigned)ns;
	log2 = 63 - (unsigned)__builtin_clzll(ns);
	idx = (log2 - 1) * 4 + (unsigned)(ns >> (log2 - 2) & 3);
	return MIN(idx, HISTOGRAM_BUCKETS - 1u);
}

uint64_t histogram_bucket_floor(unsigned idx)
{
	if (idx < 4)
		return idx;
	return (UINT64_C(4) + idx % 4) << (idx / 4 - 1);
}

void histogram_add_many(struct histogram *h, uint64_t ns, uint64_t count)
{
	if (count == 0)
		return;
	h->count += count;
	h->sum_ns += ns * count;
	h->max_ns = MAX(h->max_ns, ns);
	h->bucket[histogram_bucket(ns)] += count;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	histogram_add_many(h, ns, 1);
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
	uint64_t need = (uint64_t)(q * (double)h->count), seen = 0;

	if (h->count == 0)
		return 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += h->bucket[i];
		if (seen > need || seen == h->count)
			return MIN(histogram_bucket_floor(i + 1), h->max_ns);
	}
	return h->max_ns;
}
