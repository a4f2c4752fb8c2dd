/* SPDX-License-Identifier: MIT */
/* Proves that the runs of a replay are sorted and merged piece by piece: no
 * page is lost, and none overtakes a piece. */
#include "daemon/serve/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_sorted(struct page_run *run, uint32_t count,
			  const struct page_run *want, uint32_t want_count)
{
	assert_int_equal(replay_sort_runs(run, count), want_count);
	for (uint32_t i = 0; i < want_count; i++) {
		assert_int_equal(run[i].first, want[i].first);
		assert_int_equal(run[i].count, want[i].count);
	}
}

#define ASSERT_SORTED(run, count, ...)					\
	do {								\
		const struct page_run want_[] = { __VA_ARGS__ };	\
		assert_sorted(run, count, want_, ARRAY_SIZE(want_));	\
	} while (0)

static void neighbours_are_merged(void **state)
{
	struct page_run run[] = { { 9, 3 }, { 1, 2 }, { 3, 1 }, { 20, 1 },
				  { 10, 1 }, { 11, 4 }, { 1, 1 } };

	(void)state;
	ASSERT_SORTED(run, ARRAY_SIZE(run), { 1, 3 }, { 9, 6 }, { 20, 1 });
	ASSERT_SORTED(run, 1, { 1, 3 });
	assert_int_equal(replay_sort_runs(run, 0), 0);
}

static void pieces_keep_their_order(void **state)
{
	enum { HALF = REPLAY_PIECE_PAGES / 2, MORE = REPLAY_PIECE_PAGES + 1 };
	struct page_run run[] = { { 8000, HALF }, { 7000, HALF },
				  { 6000, 1 }, { 5999, 1 },
				  { 5000, MORE },
				  { 5000 + MORE, 1 }, { 1, 1 } };

	(void)state;
	ASSERT_SORTED(run, ARRAY_SIZE(run), { 7000, HALF }, { 8000, HALF },
		      { 5999, 2 }, { 5000, MORE }, { 1, 1 },
		      { 5000 + MORE, 1 });
}

static void long_runs_stand_alone(void **state)
{
	struct page_run run[] = { { UINT64_C(1) << 40, UINT64_C(1) << 40 },
				  { 0, UINT64_C(1) << 40 } };

	(void)state;
	ASSERT_SORTED(run, ARRAY_SIZE(run),
		      { UINT64_C(1) << 40, UINT64_C(1) << 40 },
		      { 0, UINT64_C(1) << 40 });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_are_merged),
		cmocka_unit_test(pieces_keep_their_order),
		cmocka_unit_test(long_runs_stand_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
