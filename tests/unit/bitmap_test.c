/* SPDX-License-Identifier: MIT */
/* Proves that bitmap.h agrees with an array of bools, bit by bit, for runs
 * inside words, across words and at the ends, and that the search for clear
 * runs finds the first long enough one, or else the longest. */
#include "common/bitmap.h"

#include "common/checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { BITS = 300, ROUNDS = 20000 };

static size_t below(unsigned *seed, size_t limit)
{
	return (size_t)rand_r(seed) % limit;
}

static void assert_same(const uint64_t *map, const bool *model)
{
	size_t count = 0;

	for (size_t bit = 0; bit < BITS; bit++) {
		assert_int_equal(bitmap_test(map, bit), model[bit]);
		count += model[bit];
	}
	assert_int_equal(bitmap_count(map, BITS), count);
}

static void test_single_bits(void **state)
{
	uint64_t map[BITMAP_WORDS(BITS)] = { 0 };
	bool model[BITS] = { false };
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		size_t bit = below(&seed, BITS);

		model[bit] = below(&seed, 2) == 0;
		if (model[bit])
			bitmap_set(map, bit);
		else
			bitmap_clear(map, bit);
	}
	assert_same(map, model);
}

static void test_runs(void **state)
{
	uint64_t map[BITMAP_WORDS(BITS)] = { 0 };
	bool model[BITS] = { false };
	unsigned seed = 2;

	(void)state;
	for (int i = 0; i < ROUNDS / 10; i++) {
		size_t first = below(&seed, BITS);
		size_t count = below(&seed, BITS - first + 1);
		bool value = below(&seed, 2) == 0;

		if (value)
			bitmap_set_run(map, first, count);
		else
			bitmap_clear_run(map, first, count);
		for (size_t bit = first; bit < first + count; bit++)
			model[bit] = value;
		assert_same(map, model);
	}
}

static void test_count_stops_at_the_last_bit(void **state)
{
	uint64_t map[2] = { ~UINT64_C(0), ~UINT64_C(0) };

	(void)state;
	assert_int_equal(bitmap_count(map, 0), 0);
	assert_int_equal(bitmap_count(map, 1), 1);
	assert_int_equal(bitmap_count(map, 64), 64);
	assert_int_equal(bitmap_count(map, 65), 65);
	assert_int_equal(bitmap_count(map, 128), 128);
}

/* The definition, in the plainest words. */
static size_t model_find(const bool *model, size_t from, size_t count,
			 size_t *ret_first)
{
	size_t best = 0;

	for (size_t first = from; first < BITS; first++) {
		size_t length = 0;

		while (first + length < BITS && length < count &&
		       model[first + length])
			length++;
		if (length > best) {
			best = length;
			*ret_first = first;
		}
		if (best == count)
			break;
	}
	return best;
}

static void test_find_run(void **state)
{
	unsigned seed = 3;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t map[BITMAP_WORDS(BITS)] = { 0 };
		bool model[BITS] = { false };
		size_t from = below(&seed, BITS + 1);
		size_t count = 1 + below(&seed, 100);
		size_t density = 1 + below(&seed, 40);
		size_t first = 999, model_first = 999, length;

		for (size_t bit = 0; bit < BITS; bit++) {
			model[bit] = below(&seed, density) != 0;
			if (model[bit])
				bitmap_set(map, bit);
		}
		length = model_find(model, from, count, &model_first);
		assert_int_equal(bitmap_find_run(map, BITS, from, count,
						       &first), length);
		assert_int_equal(first, model_first);
	}
}

static void test_find_in_extreme_maps(void **state)
{
	uint64_t map[BITMAP_WORDS(BITS)] = { 0 };
	size_t first = 999;

	(void)state;
	bitmap_set_run(map, 0, BITS);
	assert_int_equal(bitmap_find_run(map, BITS, 0, BITS, &first),
			 BITS);
	assert_int_equal(first, 0);
	assert_int_equal(bitmap_find_run(map, BITS, 0, BITS + 1, &first),
			 BITS);
	bitmap_clear_run(map, 0, BITS);
	first = 999;
	assert_int_equal(bitmap_find_run(map, BITS, 0, 1, &first), 0);
	assert_int_equal(first, 999);
	bitmap_set(map, BITS - 1);
	assert_int_equal(bitmap_find_run(map, BITS, 0, 5, &first), 1);
	assert_int_equal(first, BITS - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_bits),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_count_stops_at_the_last_bit),
		cmocka_unit_test(test_find_run),
		cmocka_unit_test(test_find_in_extreme_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
