/* SPDX-License-Identifier: MIT */
/* Proves that each page is new once, against an array of flags, and that the
 * set ends at its bound and takes nothing after. */
#include "client/memctl/seen_pages.h"

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

/* Random pages, `stride` apart. */
static void compare_with_flags(uint64_t seed, uint32_t stride)
{
	static bool is_known[PAGES];
	uint32_t count = 0;
	struct seen_pages sp;

	memset(is_known, 0, sizeof(is_known));
	seen_pages_init(&sp, PAGES);
	for (uint32_t n = 0; n < 3 * PAGES; n++) {
		uint32_t page = next_random(&seed) % PAGES;

		assert_int_equal(seen_pages_add(&sp, page * stride),
				 !is_known[page]);
		count += !is_known[page];
		is_known[page] = true;
	}
	seen_pages_check(&sp);
	assert_int_equal(sp.count, count);
	seen_pages_fini(&sp);
}

static void each_is_new_once(void **state)
{
	(void)state;
	compare_with_flags(1, 1);
	compare_with_flags(2, 512);
	compare_with_flags(3, 4096);
	compare_with_flags(4, 800000);
}

static void the_bound_holds(void **state)
{
	struct seen_pages sp;

	(void)state;
	seen_pages_init(&sp, 1000);
	for (uint32_t page = 0; page < 2000; page += 2)
		assert_true(seen_pages_add(&sp, page));
	assert_false(sp.is_full);
	assert_false(seen_pages_add(&sp, 0));
	assert_false(sp.is_full);		/* nothing new came */
	assert_false(seen_pages_add(&sp, 1));
	assert_true(sp.is_full);
	assert_int_equal(sp.count, 1000);
	seen_pages_check(&sp);
	seen_pages_fini(&sp);
	assert_false(seen_pages_add(&sp, 3));
}

static void the_first_and_the_last_page(void **state)
{
	struct seen_pages sp;

	(void)state;
	seen_pages_init(&sp, 10);
	assert_true(seen_pages_add(&sp, UINT32_MAX - 1));
	assert_true(seen_pages_add(&sp, 0));
	assert_false(seen_pages_add(&sp, UINT32_MAX - 1));
	assert_false(seen_pages_add(&sp, 0));
	seen_pages_check(&sp);
	seen_pages_fini(&sp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_new_once),
		cmocka_unit_test(the_bound_holds),
		cmocka_unit_test(the_first_and_the_last_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
