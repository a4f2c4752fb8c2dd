/* SPDX-License-Identifier: MIT */
/* Proves that the buckets cover every value without gaps, that a quantile is
 * never below the true one nor more than 25 % above it (a bucket's width), and
 * that sums and maxima are exact. */
#include "common/histogram.h"

#include "common/checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static unsigned only_bucket(const struct histogram *h)
{
	unsigned found = HISTOGRAM_BUCKETS;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (h->bucket[i] != 0) {
			assert_int_equal(found, HISTOGRAM_BUCKETS);
			found = i;
		}
	assert_true(found < HISTOGRAM_BUCKETS);
	return found;
}

static unsigned bucket_of(uint64_t ns)
{
	struct histogram h = { 0 };

	histogram_add(&h, ns);
	return only_bucket(&h);
}

static void test_floors_rise_and_begin_their_buckets(void **state)
{
	(void)state;
	for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
		uint64_t floor = histogram_bucket_floor(i);
		uint64_t next = histogram_bucket_floor(i + 1);

		assert_true(next > floor);
		assert_int_equal(bucket_of(floor), i);
		assert_int_equal(bucket_of(next - 1), i);
	}
}

static void test_last_bucket_takes_all_above(void **state)
{
	uint64_t floor = histogram_bucket_floor(HISTOGRAM_BUCKETS - 1);

	(void)state;
	assert_int_equal(bucket_of(floor), HISTOGRAM_BUCKETS - 1);
	assert_int_equal(bucket_of(floor * 2), HISTOGRAM_BUCKETS - 1);
	assert_int_equal(bucket_of(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void test_sums(void **state)
{
	struct histogram one = { 0 }, many = { 0 };

	(void)state;
	for (int i = 0; i < 7; i++)
		histogram_add(&one, 1000);
	histogram_add_many(&many, 1000, 7);
	histogram_add_many(&many, 5000, 0);	/* no event: not the maximum */
	assert_memory_equal(&one, &many, sizeof(one));
	assert_int_equal(one.count, 7);
	assert_int_equal(one.sum_ns, 7000);
	assert_int_equal(one.max_ns, 1000);
}

static void test_quantile_edges(void **state)
{
	struct histogram h = { 0 };

	(void)state;
	assert_int_equal(histogram_quantile(&h, 0.5), 0);
	histogram_add(&h, 1000);
	assert_int_equal(histogram_quantile(&h, 0.0), 1000);
	assert_int_equal(histogram_quantile(&h, 0.5), 1000);
	assert_int_equal(histogram_quantile(&h, 1.0), 1000);
	histogram_add(&h, UINT64_MAX / 4);
	assert_int_equal(histogram_quantile(&h, 1.0), UINT64_MAX / 4);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_quantiles_against_sorted_values(void **state)
{
	static const double quantiles[] = { 0, 0.1, 0.5, 0.9, 0.99, 0.999 };
	enum { COUNT = 5000 };
	static uint64_t values[COUNT];
	unsigned seed = 4;

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct histogram h = { 0 };

		for (int i = 0; i < COUNT; i++) {
			uint64_t ns = (uint64_t)rand_r(&seed) >>
				      (rand_r(&seed) % 30);

			values[i] = ns;
			histogram_add(&h, ns);
		}
		qsort(values, COUNT, sizeof(*values), compare);
		assert_int_equal(h.max_ns, values[COUNT - 1]);
		for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
			uint64_t exact =
				values[(size_t)(quantiles[i] * COUNT)];
			uint64_t told = histogram_quantile(&h, quantiles[i]);

			assert_true(told >= exact);
			assert_true(told <= exact + exact / 4 + 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_floors_rise_and_begin_their_buckets),
		cmocka_unit_test(test_last_bucket_takes_all_above),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_quantile_edges),
		cmocka_unit_test(test_quantiles_against_sorted_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
