/* SPDX-License-Identifier: MIT */
/* Proves that readers who go in equal steps are recognized, whichever way they
 * go and however many there are at once, and random ones are not; that windows
 * double where they are right and begin anew where they are not; and that the
 * mark is where the next window is due. */
#include "daemon/pager/stream.h"

#include "common/checks.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 512 };

static struct stream *fault(struct stream_set *set, uint64_t page)
{
	uint32_t passed;
	struct stream *st = stream_fault(set, STREAM_NORMAL, page, MOST,
					 &passed);

	stream_check(set);
	return st;
}

/* All that the stream wants has been brought in. */
static void bring_in(struct stream *st)
{
	st->ahead = st->goal;
}

static void steps_are_recognized(void **state)
{
	static const struct {
		int32_t step;
		unsigned faults;	/* the one that is believed */
	} table[] = {
		{ 1, 2 }, { -1, 2 }, { 2, 3 }, { -2, 3 }, { 7, 3 },
		{ -16, 3 }, { STREAM_STEP_MAX, 3 }, { -STREAM_STEP_MAX, 3 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct stream_set set = { 0 };
		uint64_t page = 100000;
		struct stream *st;

		for (unsigned n = 1; n < table[i].faults; n++) {
			assert_null(fault(&set, page));
			page += (uint64_t)(int64_t)table[i].step;
		}
		st = fault(&set, page);
		assert_non_null(st);
		assert_int_equal(st->step, table[i].step);
		assert_int_equal(st->window, STREAM_WINDOW_FIRST);
		assert_int_equal(st->goal, STREAM_WINDOW_FIRST);
		assert_int_equal(stream_page(st, 3), page +
				 (uint64_t)(3 * (int64_t)table[i].step));
		/* Asking again changes nothing. */
		assert_ptr_equal(fault(&set, page), st);
		assert_int_equal(st->goal, STREAM_WINDOW_FIRST);
	}
}

static void others_are_not(void **state)
{
	static const uint64_t table[][6] = {
		{ 5, 5, 5, 5, 5, 5 },		/* one page */
		{ 10, 20, 40, 80, 160, 320 },	/* no equal steps */
		{ 0, 1025, 2050, 3075, 4100, 5125 },	/* too long ones */
		{ 3, 1, 7, 12, 18, 27 },
		{ 0, 2, 5, 9, 14, 20 },
	};
	struct stream_set set = { 0 };
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		memset(&set, 0, sizeof(set));
		for (unsigned k = 0; k < ARRAY_SIZE(table[i]); k++)
			assert_null(fault(&set, table[i][k]));
	}
	/* Somebody who goes anywhere in 512 MiB: now and then it looks as if
	 * he went on; he has skipped pages then (ahead.c sees that). */
	memset(&set, 0, sizeof(set));
	srandom(1);
	for (unsigned i = 0; i < 100000; i++) {
		uint32_t passed;
		struct stream *st = stream_fault(&set, STREAM_NORMAL,
						 (uint64_t)random() % 131072,
						 MOST, &passed);

		found += st != NULL;
		if (st != NULL && passed > 1)
			stream_drop(st);
	}
	assert_true(found < 1000);
}

/* Each step a fault, as if nothing ever came in time: the window doubles each
 * time that the last one has been used up. */
static void window_doubles(void **state)
{
	struct stream_set set = { 0 };
	uint32_t window = STREAM_WINDOW_FIRST;
	struct stream *st;
	uint64_t page = 1;

	(void)state;
	(void)fault(&set, 0);
	st = fault(&set, page);
	while (window < MOST) {
		assert_int_equal(st->window, window);
		bring_in(st);
		page += st->goal + 1;	/* behind all that came */
		assert_ptr_equal(fault(&set, page), st);
		window *= 2;
	}
	assert_int_equal(st->window, MOST);
	bring_in(st);
	assert_ptr_equal(fault(&set, page + st->goal + 1), st);
	assert_int_equal(st->window, MOST);
}

/* At the mark, and not before, the next window is due. */
static void mark_is_in_the_middle(void **state)
{
	static const int32_t steps[] = { 1, -1, 5 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		struct stream_set set = { 0 };
		uint64_t step = (uint64_t)(int64_t)steps[i];
		uint64_t page = 1000000, mark;
		uint32_t passed, window;
		struct stream *st;

		(void)fault(&set, page);
		(void)fault(&set, page += step);
		st = fault(&set, page + step);
		st->client = 1;
		while (st->window < MOST) {
			uint64_t low;

			bring_in(st);
			window = st->window;
			mark = stream_page(st, st->mark);
			assert_int_equal(st->mark, st->goal - window / 2);
			low = MIN(stream_page(st, 1),
				  stream_page(st, st->ahead));
			/* Told only with the pages it is among. */
			assert_int_equal(stream_choose_mark(
				&set, stream_page(st, 1), 1, UINT64_MAX),
				st->mark == 1 ? mark : UINT64_MAX);
			assert_int_equal(stream_choose_mark(
				&set, low, 100000, UINT64_MAX), mark);
			assert_int_equal(stream_choose_mark(
				&set, low, 100000, UINT64_MAX), UINT64_MAX);
			/* Touching what is before it tells nothing. */
			assert_null(stream_touched(&set, stream_page(st, 1), 1,
						   MOST, &passed));
			assert_ptr_equal(stream_touched(&set, mark, 1, MOST,
							&passed), st);
			assert_null(stream_touched(&set, mark, 1, MOST,
						   &passed));
			assert_int_equal(st->last, mark);
			assert_int_equal(st->window, MIN(window * 2, MOST));
			assert_int_equal(st->goal - st->ahead, st->window);
			stream_check(&set);
		}
	}
}

/* One who faults behind the mark without having touched it goes another way:
 * else whoever goes anywhere would make windows grow, once he falls into
 * one. */
static void skipped_mark_ends_it(void **state)
{
	struct stream_set set = { 0 };
	struct stream *st;
	uint64_t mark;

	(void)state;
	(void)fault(&set, 10);
	st = fault(&set, 11);
	st->client = 7;
	bring_in(st);
	/* Not told of yet: nobody can have touched it. */
	assert_ptr_equal(fault(&set, 11 + st->goal + 1), st);
	bring_in(st);
	mark = stream_choose_mark(&set, stream_page(st, 1), 1000, UINT64_MAX);
	assert_int_not_equal(mark, UINT64_MAX);
	assert_ptr_equal(fault(&set, mark - 1), st);
	/* Not heard of the mark yet, perhaps. */
	assert_ptr_equal(fault(&set, stream_page(st, st->ahead + 1)), st);
	bring_in(st);
	mark = stream_choose_mark(&set, stream_page(st, 1), 1000, UINT64_MAX);
	assert_int_not_equal(mark, UINT64_MAX);
	assert_null(fault(&set, stream_page(st, st->ahead + 2)));
	assert_int_equal(st->step, 0);
}

/* The page that is asked for cannot be left unmapped; and who is not told of
 * anything has no mark. */
static void mark_is_not_the_page_asked_for(void **state)
{
	struct stream_set set = { 0 };
	struct stream *st;
	uint64_t mark;

	(void)state;
	(void)fault(&set, 10);
	st = fault(&set, 11);
	bring_in(st);
	mark = stream_page(st, st->mark);
	assert_int_equal(stream_choose_mark(&set, 11, 20, UINT64_MAX),
			 UINT64_MAX);
	st->client = 7;
	assert_int_equal(stream_choose_mark(&set, 11, 20, mark), mark + 1);
	assert_int_equal(stream_page(st, st->mark), mark + 1);
}

static void several_are_interleaved(void **state)
{
	static const int32_t steps[] = { 1, -1, 3, 1 };
	struct stream_set set = { 0 };
	struct stream *st[STREAM_COUNT] = { NULL };
	uint64_t page[STREAM_COUNT];

	(void)state;
	for (unsigned i = 0; i < STREAM_COUNT; i++)
		page[i] = (i + 1) * 100000;
	for (unsigned n = 0; n < 200; n++)
		for (unsigned i = 0; i < STREAM_COUNT; i++) {
			struct stream *found = fault(&set, page[i]);

			page[i] += (uint64_t)(int64_t)steps[i % 4];
			if (st[i] != NULL)
				assert_ptr_equal(found, st[i]);
			st[i] = found;
		}
	for (unsigned i = 0; i < STREAM_COUNT; i++) {
		assert_non_null(st[i]);
		assert_int_equal(st[i]->step, steps[i % 4]);
	}
}

/* Random faults between those of a reader do not make it forgotten. */
static void noise_does_no_harm(void **state)
{
	struct stream_set set = { 0 };
	struct stream *st;
	uint64_t page = 5001;

	(void)state;
	srandom(2);
	(void)fault(&set, 5000);
	st = fault(&set, page);
	for (unsigned n = 0; n < 100; n++) {
		bring_in(st);
		for (unsigned i = 0; i < 100; i++)
			(void)fault(&set, 10000000 +
				    (uint64_t)random() % 100000000);
		page += st->goal + 1;
		assert_ptr_equal(fault(&set, page), st);
	}
	assert_int_equal(st->window, MOST);
}

/* A reader that goes on elsewhere is a new one, and the old one is the first
 * to be forgotten. */
static void jump_starts_anew(void **state)
{
	struct stream_set set = { 0 };
	struct stream *st;
	uint64_t page = 0;

	(void)state;
	for (unsigned n = 0; n < 3 * STREAM_COUNT; n++) {
		page += 1000000;
		assert_null(fault(&set, page));
		st = fault(&set, page + 1);
		assert_non_null(st);
		assert_int_equal(st->window, STREAM_WINDOW_FIRST);
		bring_in(st);
		st = fault(&set, page + 2 + st->goal);
		assert_non_null(st);
		assert_int_equal(st->window, 2 * STREAM_WINDOW_FIRST);
	}
}

static void waste_collapses_windows(void **state)
{
	struct stream_set set = { 0 };
	struct stream *st;
	uint64_t page = 1;

	(void)state;
	(void)fault(&set, 0);
	st = fault(&set, page);
	for (unsigned n = 0; n < 8; n++) {
		bring_in(st);
		(void)fault(&set, page += st->goal + 1);
	}
	assert_int_equal(st->window, MOST);
	stream_count_use(&set, 10, 500);
	for (unsigned n = 0; n < 10; n++) {
		bring_in(st);
		(void)fault(&set, page += st->goal + 1);
	}
	assert_int_equal(st->window, STREAM_WINDOW_FIRST);
	assert_null(fault(&set, 9000000));
	assert_true(fault(&set, 9000001)->window < STREAM_WINDOW_FIRST);
	/* What is of use again grows again. */
	stream_count_use(&set, 900, 0);
	bring_in(st);
	(void)fault(&set, page + st->goal + 1);
	assert_int_equal(st->window, 2 * STREAM_WINDOW_FIRST);
}

static void advice_is_taken(void **state)
{
	struct stream_set set = { 0 };
	struct stream *st;
	uint32_t passed;

	(void)state;
	st = stream_fault(&set, STREAM_SEQUENTIAL, 77, MOST, &passed);
	assert_non_null(st);
	assert_int_equal(st->step, 1);
	assert_int_equal(st->window, MOST);
	memset(&set, 0, sizeof(set));
	for (uint64_t page = 0; page < 100; page++)
		assert_null(stream_fault(&set, STREAM_RANDOM, page, MOST,
					 &passed));
	memset(&set, 0, sizeof(set));
	for (uint64_t page = 0; page < 100; page++)
		assert_null(stream_fault(&set, STREAM_NORMAL, page, 0,
					 &passed));
}

/* Windows are bounded in pages, also where steps are read densely. */
static void dense_steps(void **state)
{
	struct stream_set set = { 0 };
	struct stream *st;
	uint64_t page = 4;

	(void)state;
	(void)fault(&set, 0);
	(void)fault(&set, 2);
	st = fault(&set, page);
	assert_int_equal(st->step, 2);
	assert_int_equal(stream_span(st), 2);
	for (unsigned n = 0; n < 10; n++) {
		bring_in(st);
		(void)fault(&set, page += 2 * (st->goal + 1));
	}
	assert_int_equal(st->window, MOST / 2);
	st->step = -STREAM_DENSE_MAX - 1;
	assert_int_equal(stream_span(st), 1);
	assert_false(stream_is_dense(st));
}

/* At the ends of the number range nothing wraps into a page that is there. */
static void ends(void **state)
{
	struct stream_set set = { 0 };
	struct stream *st;

	(void)state;
	(void)fault(&set, 1);
	st = fault(&set, 0);
	assert_non_null(st);
	assert_int_equal(st->step, -1);
	assert_int_equal(stream_page(st, 1), UINT64_MAX);
	st->goal = 3;
	st->ahead = 2;
	st->mark = 3;
	stream_stop(st);
	assert_int_equal(st->goal, 2);
	assert_int_equal(st->mark, 2);
	st->ahead = 0;
	stream_stop(st);
	assert_int_equal(st->mark, 0);
	stream_check(&set);
	stream_drop(st);
	assert_null(stream_at(&set, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_are_recognized),
		cmocka_unit_test(others_are_not),
		cmocka_unit_test(window_doubles),
		cmocka_unit_test(mark_is_in_the_middle),
		cmocka_unit_test(skipped_mark_ends_it),
		cmocka_unit_test(mark_is_not_the_page_asked_for),
		cmocka_unit_test(several_are_interleaved),
		cmocka_unit_test(noise_does_no_harm),
		cmocka_unit_test(jump_starts_anew),
		cmocka_unit_test(waste_collapses_windows),
		cmocka_unit_test(advice_is_taken),
		cmocka_unit_test(dense_steps),
		cmocka_unit_test(ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
