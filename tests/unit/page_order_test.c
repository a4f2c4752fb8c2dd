/* SPDX-License-Identifier: MIT */
/* Proves that an order of pages keeps each page once, in the order of first
 * coming, as runs of neighbours, against a plain array; that it ends at its
 * bound and takes nothing after; that clipping and sorting keep exactly the
 * pages they should. */
#include "common/page_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { PAGES = 5000 };

static uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) +
		 UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

static void assert_runs(const struct page_run *run, uint32_t count,
			const struct page_run *want, uint32_t want_count)
{
	assert_int_equal(count, want_count);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(run[i].first, want[i].first);
		assert_int_equal(run[i].count, want[i].count);
	}
}

#define ASSERT_RUNS(run, count, ...)					\
	do {								\
		const struct page_run want_[] = { __VA_ARGS__ };	\
		assert_runs(run, count, want_, ARRAY_SIZE(want_));	\
	} while (0)

static void neighbours_are_one_run(void **state)
{
	static const uint32_t pages[] = { 7, 8, 9, 8, 3, 2, 10, 3, 4, 5 };
	struct page_order po;

	(void)state;
	page_order_init(&po, 100, 1);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		(void)page_order_add(&po, pages[i]);
	page_order_check(&po);
	ASSERT_RUNS(po.run, po.run_count, { 7, 3 }, { 3, 1 }, { 2, 1 },
		    { 10, 1 }, { 4, 2 });
	assert_int_equal(po.page_count, 8);
	page_order_seal(&po);
	page_order_check(&po);
	assert_false(page_order_add(&po, 50));
	assert_int_equal(po.page_count, 8);
	page_order_fini(&po);
}

/* Random pages of many kinds against an array of flags and a list. */
static void compare_with_model(uint64_t seed, uint32_t stride)
{
	static bool is_known[PAGES];
	static uint32_t list[PAGES];
	uint32_t count = 0, at = 0;
	struct page_order po;

	memset(is_known, 0, sizeof(is_known));
	page_order_init(&po, PAGES, seed);
	for (uint32_t n = 0; n < 3 * PAGES; n++) {
		uint32_t page = next_random(&seed) % PAGES;
		bool is_new = !is_known[page];

		assert_int_equal(page_order_add(&po, page * stride), is_new);
		if (is_new)
			list[count++] = page * stride;
		is_known[page] = true;
	}
	page_order_check(&po);
	assert_int_equal(po.page_count, count);
	for (uint32_t i = 0; i < po.run_count; i++)
		for (uint32_t k = 0; k < po.run[i].count; k++)
			assert_int_equal(po.run[i].first + k, list[at++]);
	assert_int_equal(at, count);
	page_order_fini(&po);
}

static void each_once_in_order(void **state)
{
	(void)state;
	compare_with_model(1, 1);
	compare_with_model(2, 512);
	compare_with_model(UINT64_MAX, 4096);
	compare_with_model(0, 800000);		/* a multiplier of 1 */
}

static void the_bound_holds(void **state)
{
	struct page_order po;

	(void)state;
	page_order_init(&po, 1000, 3);
	for (uint32_t page = 0; page < 2000; page += 2)
		assert_true(page_order_add(&po, page));
	assert_false(po.is_full);
	assert_false(page_order_add(&po, 0));
	assert_false(po.is_full);		/* nothing new came */
	assert_false(page_order_add(&po, 1));
	assert_true(po.is_full);
	assert_int_equal(po.page_count, 1000);
	page_order_check(&po);
	page_order_fini(&po);
}

static void the_last_page_there_can_be(void **state)
{
	struct page_order po;
	struct page_run run[2];

	(void)state;
	page_order_init(&po, 10, 5);
	assert_true(page_order_add(&po, PAGE_ORDER_END - 1));
	assert_false(page_order_add(&po, PAGE_ORDER_END));
	assert_true(page_order_add(&po, 0));
	page_order_check(&po);
	assert_int_equal(page_order_clip(&po, 1, UINT32_MAX, run), 1);
	assert_int_equal(run[0].first, PAGE_ORDER_END - 1);
	page_order_fini(&po);
}

static void clipping(void **state)
{
	static const struct page_run come[] = { { 100, 50 }, { 10, 5 },
						{ 20, 30 }, { 0, 10 } };
	struct page_order po;
	struct page_run run[4];

	(void)state;
	page_order_init(&po, 100, 9);
	for (size_t i = 0; i < ARRAY_SIZE(come); i++)
		for (uint32_t k = 0; k < come[i].count; k++)
			(void)page_order_add(&po, come[i].first + k);
	ASSERT_RUNS(run, page_order_clip(&po, 0, 1000, run), { 100, 50 },
		    { 10, 5 }, { 20, 30 }, { 0, 10 });
	ASSERT_RUNS(run, page_order_clip(&po, 12, 100, run), { 100, 12 },
		    { 12, 3 }, { 20, 30 });
	ASSERT_RUNS(run, page_order_clip(&po, 9, 1, run), { 9, 1 });
	assert_int_equal(page_order_clip(&po, 15, 5, run), 0);
	page_order_fini(&po);
	page_order_init(&po, 1, 9);
	assert_int_equal(page_order_clip(&po, 0, 1000, run), 0);
	page_order_fini(&po);
}

static void sorting(void **state)
{
	struct page_run run[] = { { 9, 3 }, { 1, 2 }, { 3, 1 }, { 20, 1 },
				  { 10, 1 }, { 11, 4 }, { 1, 1 },
				  { PAGE_ORDER_END - 2, 2 } };

	(void)state;
	ASSERT_RUNS(run, page_runs_sort(run, ARRAY_SIZE(run)), { 1, 3 },
		    { 9, 6 }, { 20, 1 }, { PAGE_ORDER_END - 2, 2 });
	assert_int_equal(page_runs_sort(run, 0), 0);
	assert_int_equal(page_runs_sort(run, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_are_one_run),
		cmocka_unit_test(each_once_in_order),
		cmocka_unit_test(the_bound_holds),
		cmocka_unit_test(the_last_page_there_can_be),
		cmocka_unit_test(clipping),
		cmocka_unit_test(sorting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
