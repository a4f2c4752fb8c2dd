/* SPDX-License-Identifier: MIT */
/* Proves that the benchmark accesses the pages it says it does: orders that
 * are to visit every page do so once, each in its way, and Zipf's law is
 * followed. */
#include "tests/bench/order.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { PAGES = 4096 };

/* Visits pages 0, step, 2 * step … once each. */
static void expect_each_once(enum order_kind kind, size_t home, size_t step)
{
	const struct order order = {
		.kind = kind, .page_count = PAGES, .home = home,
	};
	unsigned char seen[PAGES] = { 0 };

	for (size_t i = 0; i < PAGES / step; i++) {
		size_t page = order_page(&order, i);

		assert_true(page < PAGES);
		assert_int_equal(page % step, 0);
		assert_int_equal(seen[page]++, 0);
	}
}

static void test_each_once(void **state)
{
	static const size_t homes[] = { 0, 1024, 2048 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		expect_each_once(ORDER_FORWARD, homes[i], 1);
		expect_each_once(ORDER_BACKWARD, homes[i], 1);
		expect_each_once(ORDER_STRIDED, homes[i], 1);
		expect_each_once(ORDER_SCATTERED, homes[i], 1);
		expect_each_once(ORDER_HOLES, homes[i], ORDER_HOLE_EVERY);
	}
}

static void test_direction(void **state)
{
	struct order order = { .kind = ORDER_BACKWARD, .page_count = PAGES };

	(void)state;
	assert_int_equal(order_page(&order, 0), PAGES / 2 - 1);
	assert_int_equal(order_page(&order, 1), PAGES / 2 - 2);
	order.kind = ORDER_STRIDED;
	assert_int_equal(order_page(&order, 1), ORDER_STRIDE);
	assert_int_equal(order_page(&order, PAGES / ORDER_STRIDE), 1);
	order.kind = ORDER_SCATTERED;
	for (size_t i = 0; i + 1 < PAGES; i++) {
		size_t a = order_page(&order, i), b = order_page(&order, i + 1);

		assert_true(a > b ? a - b > 64 : b - a > 64);
	}
}

/* A different seed, other pages; the same seed, the same. */
static void test_random(void **state)
{
	struct order a = { .kind = ORDER_RANDOM, .page_count = PAGES };
	struct order b = a;
	unsigned same = 0;

	(void)state;
	b.seed = order_mix(1);
	for (size_t i = 0; i < PAGES; i++) {
		assert_int_equal(order_page(&a, i), order_page(&a, i));
		same += order_page(&a, i) == order_page(&b, i);
	}
	assert_true(same < 16);
}

/* How many of evenly spaced numbers become a rank below `below`. */
static double share_below(const struct zipf *z, size_t below)
{
	enum { NUMBERS = 200000 };
	size_t count = 0;

	for (size_t i = 0; i < NUMBERS; i++) {
		size_t rank = zipf_rank(z, ((double)i + 0.5) / NUMBERS);

		assert_true(rank < PAGES);
		count += rank < below;
	}
	return (double)count / NUMBERS;
}

/* The method is exact for the first two ranks and close for the others. */
static void test_zipf(void **state)
{
	static const size_t below[] = { 1, 2, 16, 256, 2048, PAGES };
	struct zipf z;

	(void)state;
	zipf_init(&z, PAGES, 0.99);
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		double want = 0, all = 0, error;

		for (size_t r = 1; r <= PAGES; r++) {
			all += pow((double)r, -0.99);
			want += r <= below[i] ? pow((double)r, -0.99) : 0;
		}
		error = share_below(&z, below[i]) - want / all;
		assert_true(fabs(error) < (below[i] <= 2 ? 0.001 : 0.03));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once),
		cmocka_unit_test(test_direction),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_zipf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
