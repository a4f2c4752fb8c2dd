/* SPDX-License-Identifier: MIT */
/* Proves that the tree finds what a search of the whole bitmap finds: the
 * first run long enough at or after any bit, and the length of the longest,
 * in maps of every density, and that it stays true over all updates. */
#include "daemon/pager/runtree.h"

#include "common/bitmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { BITS_MAX = 10000, QUERIES = 300 };

struct subject {
	uint64_t map[BITMAP_WORDS(BITS_MAX)];
	struct runtree rt;
	uint32_t bit_count;
	unsigned seed;
};

static uint32_t below(struct subject *su, uint32_t limit)
{
	return (uint32_t)rand_r(&su->seed) % limit;
}

static void change(struct subject *su, uint32_t first, uint32_t count,
		   bool is_set)
{
	if (is_set)
		bitmap_set_run(su->map, first, count);
	else
		bitmap_clear_run(su->map, first, count);
	runtree_update(&su->rt, first, count);
}

static void compare(struct subject *su, uint32_t from, uint32_t count)
{
	size_t first = 0;
	uint32_t expected = su->bit_count;

	if (bitmap_find_run(su->map, su->bit_count, from, count,
				  &first) == count)
		expected = (uint32_t)first;
	assert_int_equal(runtree_find(&su->rt, from, count), expected);
}

static uint32_t longest_of(const struct subject *su)
{
	return runtree_longest(&su->rt, 0,
			       su->rt.leaf_count * RUNTREE_LEAF_BITS);
}

/* Every aligned part of a power of two of leaves. */
static void compare_parts(const struct subject *su)
{
	uint32_t all = su->rt.leaf_count * RUNTREE_LEAF_BITS;

	for (uint32_t part = RUNTREE_LEAF_BITS; part <= all; part *= 2)
		for (uint32_t at = 0; at < all; at += part) {
			uint64_t map[BITMAP_WORDS(16384)] = { 0 };
			size_t first;

			for (uint32_t i = at; i < at + part &&
					      i < su->bit_count; i++)
				if (bitmap_test(su->map, i))
					bitmap_set(map, i - at);
			assert_int_equal(runtree_longest(&su->rt, at, part),
					 bitmap_find_run(map, part, 0, part,
							 &first));
		}
}

static void compare_all(struct subject *su)
{
	size_t first = 0;
	uint32_t longest = longest_of(su);

	runtree_check(&su->rt);
	compare_parts(su);
	assert_int_equal(bitmap_find_run(su->map, su->bit_count, 0,
					       su->bit_count, &first), longest);
	for (int i = 0; i < QUERIES; i++) {
		uint32_t from = below(su, su->bit_count + 1);

		compare(su, from, 1);
		compare(su, from, 1 + below(su, longest + 2));
		compare(su, from, MAX(longest, 1u));
	}
	compare(su, 0, MAX(longest, 1u));
	compare(su, 0, longest + 1);
}

/* Single bits, from rare to all, then runs of any length. */
static void run(uint32_t bit_count, unsigned seed)
{
	static struct subject su;

	memset(&su, 0, sizeof(su));
	su.bit_count = bit_count;
	su.seed = seed;
	assert_int_equal(runtree_init(&su.rt, su.map, bit_count), 0);
	assert_int_equal(longest_of(&su), 0);
	compare_all(&su);
	change(&su, 0, bit_count, true);
	assert_int_equal(longest_of(&su), bit_count);
	compare_all(&su);
	for (uint32_t changes = 1; changes <= bit_count; changes *= 4) {
		for (uint32_t i = 0; i < changes; i++)
			change(&su, below(&su, bit_count), 1, false);
		compare_all(&su);
	}
	for (int i = 0; i < 60; i++) {
		uint32_t first = below(&su, bit_count);
		uint32_t most = MIN(bit_count - first, 3000u);

		change(&su, first, 1 + below(&su, most), i % 3 != 0);
		compare_all(&su);
	}
	change(&su, 0, bit_count, false);
	assert_int_equal(longest_of(&su), 0);
	compare_all(&su);
	runtree_fini(&su.rt);
}

static void test_against_the_bitmap(void **state)
{
	static const uint32_t sizes[] = { 1, 64, 511, 512, 513, 1024, 1500,
					  2048, 4097, BITS_MAX };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		print_message("bits %u, seed %u\n", sizes[i], i + 1);
		run(sizes[i], i + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_the_bitmap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
