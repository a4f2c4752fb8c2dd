/* SPDX-License-Identifier: MIT */
/* Proves that no string memctl prints can hold a control character or
 * malformed UTF-8, whatever bytes it began with, that sound text is left
 * alone, and how spans of time read. */
#include "client/memctl/text.h"
#include "tests/skip.h"

#include "common/checks.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <wchar.h>
#include <cmocka.h>
#include <locale.h>

static const struct {
	const char *dirty, *clean;
} texts[] = {
	{ "", "" },
	{ "plain text, \"quoted\" \\ ~", "plain text, \"quoted\" \\ ~" },
	{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
	{ "\xe2\x82\xac \xf0\x9f\x90\x8d", "\xe2\x82\xac \xf0\x9f\x90\x8d" },
	{ "a\tb\nc\rd\x1b[2Je\x7f", "a?b?c?d?[2Je?" },
	{ "\xc2\x9b" "2J", "??2J" },		/* C1: CSI in two bytes */
	{ "\xc2\xa0", "\xc2\xa0" },		/* the first after C1 */
	{ "\x80\xbf\xfe\xff", "????" },		/* never first bytes */
	{ "\xc0\xaf\xc1\xbf", "????" },		/* overlong */
	{ "\xe0\x9f\xbf", "???" },
	{ "\xe0\xa0\x80", "\xe0\xa0\x80" },
	{ "\xed\x9f\xbf", "\xed\x9f\xbf" },
	{ "\xed\xa0\x80", "???" },		/* a surrogate */
	{ "\xf0\x8f\xbf\xbf", "????" },
	{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
	{ "\xf4\x90\x80\x80", "????" },		/* beyond Unicode */
	{ "cut \xc3", "cut ?" },
	{ "cut \xe2\x82", "cut ??" },
	{ "cut \xf0\x9f\x90", "cut ???" },
	{ "\xe2\x28\xa1", "?(?" },
};

static void test_clean_replaces_what_could_do_harm(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char buf[64];

		strcpy(buf, texts[i].dirty);
		assert_ptr_equal(text_clean(buf), buf);
		assert_string_equal(buf, texts[i].clean);
	}
}

/* All strings of up to three bytes, against the C library's opinion. */
static void check_against_library(const unsigned char *bytes)
{
	char text[4], again[4];
	wchar_t wide[4];

	memcpy(text, bytes, sizeof(text));
	text_clean(text);
	assert_int_equal(strlen(text), strlen((const char *)bytes));
	assert_true(mbstowcs(wide, text, 4) != (size_t)-1);
	for (const char *p = text; *p != '\0'; p++)
		assert_false((unsigned char)*p < 0x20 || *p == 0x7f);
	strcpy(again, text);
	assert_string_equal(text_clean(again), text);
}

static void test_clean_leaves_nothing_malformed(void **state)
{
	unsigned char bytes[4] = { 0 };

	(void)state;
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		skip_case("no locale C.UTF-8");
	for (unsigned i = 0; i < 1u << 24; i += 1 + i % 7) {
		bytes[0] = (unsigned char)(i >> 16);
		bytes[1] = (unsigned char)(i >> 8);
		bytes[2] = (unsigned char)i;
		check_against_library(bytes);
	}
}

static const struct {
	uint64_t ms;
	const char *text;
} uptimes[] = {
	{ 0, "0s" }, { 999, "0s" }, { 59999, "59s" }, { 60000, "1m 00s" },
	{ 3599999, "59m 59s" }, { 3600000, "1h 00m" },
	{ 86399999, "23h 59m" }, { 86400000, "1d 00h" },
	{ UINT64_C(400) * 86400000 + 5 * 3600000, "400d 05h" },
	{ UINT64_MAX, "213503982334d 14h" },
};

static void test_uptime(void **state)
{
	char buf[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(uptimes); i++)
		assert_string_equal(text_uptime(uptimes[i].ms, buf,
						sizeof(buf)), uptimes[i].text);
}

static void test_ids_without_a_name_are_numbers(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(text_user(0, buf, sizeof(buf)), "root");
	assert_string_equal(text_group(0, buf, sizeof(buf)), "root");
	assert_string_equal(text_user(3999999999, buf, sizeof(buf)),
			    "3999999999");
	assert_string_equal(text_group(3999999999, buf, sizeof(buf)),
			    "3999999999");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean_replaces_what_could_do_harm),
		cmocka_unit_test(test_clean_leaves_nothing_malformed),
		cmocka_unit_test(test_uptime),
		cmocka_unit_test(test_ids_without_a_name_are_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
