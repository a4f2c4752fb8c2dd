/* SPDX-License-Identifier: MIT */
/* Proves that the benchmark accesses the pages it says it does: orders that
 * are to visit every page do so once, each in its way, Zipf's law is followed,
 * and a hot set moves. */
#include "tests/bench/order.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { PAGES = 4096 };

/* Pages 0, step, 2 * step …, wherever it begins. */
static void test_each_once(void **state)
{
	static const struct { enum order_kind kind; size_t step; } orders[] = {
		{ ORDER_FORWARD, 1 }, { ORDER_LOOP, 1 }, { ORDER_BACKWARD, 1 },
		{ ORDER_STRIDED, 1 }, { ORDER_SCATTERED, 1 },
		{ ORDER_HOLES, ORDER_HOLE_EVERY },
	};

	(void)state;
	for (size_t i = 0; i < 3 * sizeof(orders) / sizeof(orders[0]); i++) {
		const struct order order = {
			.kind = orders[i / 3].kind, .page_count = PAGES,
			.home = i % 3 * 1024,
		};
		unsigned char seen[PAGES] = { 0 };

		for (size_t j = 0; j < PAGES / orders[i / 3].step; j++) {
			size_t page = order_page(&order, j);

			assert_true(page < PAGES);
			assert_int_equal(page % orders[i / 3].step, 0);
			assert_int_equal(seen[page]++, 0);
		}
	}
}

static void test_direction(void **state)
{
	struct order order = { .kind = ORDER_BACKWARD, .page_count = PAGES };

	(void)state;
	assert_int_equal(order_page(&order, 0), PAGES / 2 - 1);
	assert_int_equal(order_page(&order, 1), PAGES / 2 - 2);
	order.kind = ORDER_LOOP;
	assert_int_equal(order_page(&order, PAGES + 1), 1);
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

/* Of evenly spaced numbers, as many become a rank below some other as the law
 * says: exactly for the first two ranks, about for the others. */
static void test_zipf(void **state)
{
	enum { NUMBERS = 200000 };
	static unsigned drawn[PAGES];
	double below = 0, want = 0, all = 0;
	struct zipf z;

	(void)state;
	zipf_init(&z, PAGES, 0.99);
	for (size_t i = 0; i < NUMBERS; i++) {
		size_t rank = zipf_rank(&z, ((double)i + 0.5) / NUMBERS);

		assert_true(rank < PAGES);
		drawn[rank]++;
	}
	for (size_t r = 1; r <= PAGES; r++)
		all += pow((double)r, -0.99);
	for (size_t r = 1; r <= PAGES; r++) {
		below += (double)drawn[r - 1] / NUMBERS;
		want += pow((double)r, -0.99) / all;
		assert_true(fabs(below - want) < (r <= 2 ? 0.001 : 0.03));
	}
}

/* About nine of ten accesses, and the tenth of the others that hits by chance,
 * are to the tenth of the pages that begins at `first`. */
static void expect_hot(const struct order *o, size_t i, size_t first)
{
	enum { LOOKS = 1000 };
	unsigned seen = 0;

	for (size_t j = i; j < i + LOOKS; j++) {
		size_t page = order_page(o, j);

		assert_true(page < PAGES);
		seen += (page + PAGES - first) % PAGES <
			PAGES / ORDER_HOT_PART + LOOKS / ORDER_MOVE_EVERY;
	}
	assert_in_range(seen, 880, 940);
}

/* The hot set begins at the end, and goes on from there, and round. */
static void test_moving(void **state)
{
	const struct order order = { .kind = ORDER_MOVING,
				     .page_count = PAGES };
	size_t hot = PAGES / ORDER_HOT_PART;

	(void)state;
	expect_hot(&order, 0, PAGES - hot);
	expect_hot(&order, hot / 2 * ORDER_MOVE_EVERY, PAGES - hot + hot / 2);
	expect_hot(&order, (hot + 1000) * ORDER_MOVE_EVERY, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once),
		cmocka_unit_test(test_direction),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_zipf),
		cmocka_unit_test(test_moving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
