/* SPDX-License-Identifier: MIT */
/* Proves that a sum depends on every bit of the page and on each part of its
 * key, that it is what the interface says from run to run, and that the test
 * for all zeros misses no byte. */
#include "proto/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PAGE_BYTES = 4096 };

static const struct checksum_key key = { 1, 2, 3 };

static void fill(unsigned char *page, unsigned seed)
{
	for (size_t i = 0; i < PAGE_BYTES; i++)
		page[i] = (unsigned char)rand_r(&seed);
}

static void test_same_input_same_sum(void **state)
{
	unsigned char a[PAGE_BYTES], b[PAGE_BYTES + 1];

	(void)state;
	fill(a, 1);
	memcpy(b + 1, a, PAGE_BYTES);	/* also where it is not aligned */
	assert_true(checksum_equal(checksum_of(&key, a, PAGE_BYTES),
				   checksum_of(&key, b + 1, PAGE_BYTES)));
}

static void test_every_bit_matters(void **state)
{
	unsigned char page[PAGE_BYTES];
	struct checksum good;

	(void)state;
	fill(page, 2);
	good = checksum_of(&key, page, PAGE_BYTES);
	for (size_t bit = 0; bit < PAGE_BYTES * 8; bit++) {
		page[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(checksum_equal(checksum_of(&key, page,
							PAGE_BYTES), good));
		page[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	assert_true(checksum_equal(checksum_of(&key, page, PAGE_BYTES), good));
	assert_false(checksum_equal(checksum_of(&key, page, PAGE_BYTES - 1),
				    good));
}

/* All pairs of keys near each other, with parts swapped among them, differ:
 * the parts do not simply add up. */
static void test_every_part_of_the_key_matters(void **state)
{
	enum { SIDE = 8, KEYS = SIDE * SIDE * SIDE };
	static struct checksum sums[KEYS];
	unsigned char page[PAGE_BYTES] = { 0 };

	(void)state;
	for (uint64_t i = 0; i < KEYS; i++) {
		struct checksum_key k = { i % SIDE, i / SIDE % SIDE,
					  i / SIDE / SIDE };

		sums[i] = checksum_of(&k, page, PAGE_BYTES);
		for (uint64_t j = 0; j < i; j++)
			assert_false(checksum_equal(sums[i], sums[j]));
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		struct checksum_key high = { UINT64_C(1) << bit, 0, 0 };
		struct checksum_key page_high = { 0, UINT64_C(1) << bit, 0 };
		struct checksum_key gen_high = { 0, 0, UINT64_C(1) << bit };

		assert_false(checksum_equal(checksum_of(&high, page, 4096),
					    sums[0]));
		assert_false(checksum_equal(checksum_of(&page_high, page, 4096),
					    sums[0]));
		assert_false(checksum_equal(checksum_of(&gen_high, page, 4096),
					    sums[0]));
	}
}

/* XXH3-128 is fixed by its specification, and so is what we make of it.  The
 * value was made with the library's streaming calls. */
static void test_golden_value(void **state)
{
	unsigned char page[PAGE_BYTES];
	struct checksum sum;

	(void)state;
	for (size_t i = 0; i < PAGE_BYTES; i++)
		page[i] = (unsigned char)(i * 7 + i / 256);
	sum = checksum_of(&key, page, PAGE_BYTES);
	assert_int_equal(sum.low, UINT64_C(0x366f2eb888ba67a3));
	assert_int_equal(sum.high, UINT64_C(0xd8c58d318c95e8e3));
}

static void test_all_zero(void **state)
{
	unsigned char page[PAGE_BYTES] = { 0 };

	(void)state;
	assert_true(checksum_is_all_zero(page, 0));
	assert_true(checksum_is_all_zero(page, 1));
	assert_true(checksum_is_all_zero(page, PAGE_BYTES));
	for (size_t i = 0; i < PAGE_BYTES; i++) {
		page[i] = 0x80;
		assert_false(checksum_is_all_zero(page, PAGE_BYTES));
		assert_true(checksum_is_all_zero(page, i));
		page[i] = 0;
	}
	memset(page, 1, sizeof(page));
	assert_false(checksum_is_all_zero(page, PAGE_BYTES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_input_same_sum),
		cmocka_unit_test(test_every_bit_matters),
		cmocka_unit_test(test_every_part_of_the_key_matters),
		cmocka_unit_test(test_golden_value),
		cmocka_unit_test(test_all_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
