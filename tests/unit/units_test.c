/* SPDX-License-Identifier: MIT */
/* Proves which texts are sizes and durations and what they mean, which are
 * refused and how, and what people are shown. */
#include "common/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const struct {
	const char *text;
	int err;
	uint64_t value;
} sizes[] = {
	{ "0", 0, 0 },
	{ "1", 0, 1 },
	{ "512B", 0, 512 },
	{ "512 b", 0, 512 },
	{ "1K", 0, 1024 },
	{ "4 KiB", 0, 4096 },
	{ "4kib", 0, 4096 },
	{ "64M", 0, UINT64_C(64) << 20 },
	{ "1.5G", 0, UINT64_C(3) << 29 },
	{ "0.5K", 0, 512 },
	{ "1.999999999K", 0, 2047 },
	{ "2TiB", 0, UINT64_C(2) << 40 },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "16777215T", 0, UINT64_C(16777215) << 40 },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "16777216T", -ERANGE, 0 },
	{ "99999999999999999999999999999999999999999", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ " 1", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "+1", -EINVAL, 0 },
	{ ".5K", -EINVAL, 0 },
	{ "K", -EINVAL, 0 },
	{ "1X", -EINVAL, 0 },
	{ "1KK", -EINVAL, 0 },
	{ "1 K 2", -EINVAL, 0 },
	{ "0x10", -EINVAL, 0 },
	{ "1e3", -EINVAL, 0 },
	{ "1,5G", -EINVAL, 0 },
	{ "1.0000000001K", -EINVAL, 0 },
}, durations[] = {
	{ "0", 0, 0 },
	{ "7", 0, 7 },
	{ "250ms", 0, 250 },
	{ "10s", 0, 10000 },
	{ "1.5s", 0, 1500 },
	{ "2 min", 0, 120000 },
	{ "18446744073709551615ms", 0, UINT64_MAX },
	{ "18446744073709551615s", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "s", -EINVAL, 0 },
	{ "-1s", -EINVAL, 0 },
	{ "10m", -EINVAL, 0 },
	{ "10 hours", -EINVAL, 0 },
};

enum { UNTOUCHED = 4711 };

static void test_parse_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t value = UNTOUCHED;

		if (units_parse_size(sizes[i].text, &value) != sizes[i].err)
			fail_msg("\"%s\"", sizes[i].text);
		assert_int_equal(value, sizes[i].err == 0 ? sizes[i].value :
				 UNTOUCHED);
	}
}

static void test_parse_ms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		uint64_t value = UNTOUCHED;

		if (units_parse_ms(durations[i].text, &value) !=
		    durations[i].err)
			fail_msg("\"%s\"", durations[i].text);
		assert_int_equal(value, durations[i].err == 0 ?
				 durations[i].value : UNTOUCHED);
	}
}

static const struct {
	uint64_t value;
	const char *text;
} shown_sizes[] = {
	{ 0, "0B" },
	{ 512, "512B" },
	{ 1023, "1023B" },
	{ 1024, "1.0K" },
	{ 1536, "1.5K" },
	{ (UINT64_C(1) << 20) - 1, "1.0M" },
	{ UINT64_C(64) << 20, "64.0M" },
	{ UINT64_C(1023) << 20, "1023.0M" },
	{ UINT64_C(25) << 29, "12.5G" },
	{ UINT64_C(1) << 40, "1.0T" },
	{ UINT64_MAX, "16.0E" },
}, shown_ns[] = {
	{ 0, "0ns" },
	{ 850, "850ns" },
	{ 999, "999ns" },
	{ 12300, "12.3us" },
	{ 4100000, "4.1ms" },
	{ UINT64_C(2000000000), "2.0s" },
};

static void test_format(void **state)
{
	char text[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shown_sizes); i++) {
		assert_ptr_equal(units_format_size(shown_sizes[i].value, text,
						   sizeof(text)), text);
		assert_string_equal(text, shown_sizes[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(shown_ns); i++) {
		assert_ptr_equal(units_format_ns(shown_ns[i].value, text,
						 sizeof(text)), text);
		assert_string_equal(text, shown_ns[i].text);
	}
}

/* The header promises 7 characters at most, at every order of magnitude. */
static void test_sizes_stay_short(void **state)
{
	char text[16];

	(void)state;
	for (unsigned shift = 0; shift < 64; shift++)
		for (uint64_t step = 0; step < 4; step++) {
			uint64_t value = (UINT64_C(1) << shift) - 2 + step;

			units_format_size(value, text, sizeof(text));
			assert_in_range(strlen(text), 2, 7);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_size),
		cmocka_unit_test(test_parse_ms),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_sizes_stay_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
