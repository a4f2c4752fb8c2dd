/* SPDX-License-Identifier: MIT */
/* Proves that a rate is one a second however often it is computed, follows what
 * the counter does, and comes to rest at 0. */
#include "daemon/stats/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* 1000 a second, looked at every `period_ms`. */
static double steady_rate(uint64_t period_ms)
{
	uint64_t before = 0, now;
	double rate = 0;

	for (int i = 0; i < 30; i++) {
		now = before + period_ms;
		rate = stats_rate(rate, now, before, period_ms * 1000000);
		before = now;
	}
	return rate;
}

static void it_does_not_depend_on_the_period(void **state)
{
	static const uint64_t periods_ms[] = { 10, 300, 1000, 1700 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(periods_ms); i++)
		assert_in_range((int)(steady_rate(periods_ms[i]) + 0.5), 999,
				1001);
}

static void it_comes_to_rest(void **state)
{
	double rate = steady_rate(1000), last;

	(void)state;
	do {
		last = rate;
		rate = stats_rate(rate, 7, 7, 1000000000);
		assert_true(rate < last);
	} while (rate > 0);
	assert_true(stats_rate(0, 7, 7, 1000000000) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_does_not_depend_on_the_period),
		cmocka_unit_test(it_comes_to_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
