/* SPDX-License-Identifier: MIT */
/* Proves that a record notes pages of its range only and stops when it is told
 * to or has had enough; that a new one replaces the old; and that with too
 * many of them the user who has the most loses his oldest, and no other. */
#include "daemon/serve/segments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct records records;
static struct segment segment[RECORDS_MAX + 2];

static int begin(void **state)
{
	(void)state;
	memset(segment, 0, sizeof(segment));
	records_init(&records);
	return 0;
}

/* Recounts everything. */
static void check(void)
{
	uint32_t count = 0, open_count = 0, with_record = 0;
	const struct record *r;

	TAILQ_FOREACH(r, &records.all, link) {
		page_order_check(&r->order);
		assert_ptr_equal(r->segment->record, r);
		count++;
		open_count += !r->order.is_full;
	}
	for (size_t i = 0; i < ARRAY_SIZE(segment); i++)
		with_record += segment[i].record != NULL;
	assert_int_equal(count, records.count);
	assert_int_equal(count, with_record);
	assert_int_equal(open_count, records.open_count);
	assert_in_range(count, 0, RECORDS_MAX);
}

static int end(void **state)
{
	(void)state;
	check();
	records_fini(&records);
	assert_int_equal(records.count, 0);
	assert_int_equal(records.open_count, 0);
	for (size_t i = 0; i < ARRAY_SIZE(segment); i++)
		assert_null(segment[i].record);
	return 0;
}

static void start(struct segment *of, uint64_t first, uint64_t count)
{
	assert_int_equal(record_start(&records, of, first, count), 0);
	check();
}

static uint32_t pages_of(const struct segment *of)
{
	return of->record->order.page_count;
}

static void only_its_range_is_noted(void **state)
{
	struct segment *s = &segment[0];
	const struct page_run *run;

	(void)state;
	record_note(&records, s, 0, 100);	/* nobody records */
	start(s, 100, 50);
	record_note(&records, s, 0, 100);
	record_note(&records, s, 150, 10);
	assert_int_equal(pages_of(s), 0);
	record_note(&records, s, 140, 1000);
	record_note(&records, s, 0, 102);
	record_note(&records, s, 120, 1);
	record_note(&records, s, 90, 30);
	run = s->record->order.run;
	assert_int_equal(s->record->order.run_count, 4);
	assert_true(run[0].first == 140 && run[0].count == 10);
	assert_true(run[1].first == 100 && run[1].count == 2);
	assert_true(run[2].first == 120 && run[2].count == 1);
	assert_true(run[3].first == 102 && run[3].count == 18);
}

static void stopping(void **state)
{
	struct segment *s = &segment[0];

	(void)state;
	record_stop(&records, s, 0, 1000);	/* nothing to stop */
	start(s, 100, 50);
	record_note(&records, s, 100, 1);
	record_stop(&records, s, 0, 100);
	record_stop(&records, s, 150, 100);
	record_note(&records, s, 101, 1);
	assert_int_equal(pages_of(s), 2);
	record_stop(&records, s, 149, 1);
	check();
	assert_int_equal(records.open_count, 0);
	record_note(&records, s, 102, 1);
	record_stop(&records, s, 149, 1);
	assert_int_equal(pages_of(s), 2);
	start(s, 0, 10);
	assert_int_equal(pages_of(s), 0);
	assert_int_equal(records.count, 1);
}

static void enough_is_enough(void **state)
{
	struct segment *s = &segment[0];

	(void)state;
	start(s, 0, UINT64_C(1) << 40);
	record_note(&records, s, 0, RECORD_PAGES_MAX - 1);
	assert_int_equal(records.open_count, 1);
	record_note(&records, s, 1 << 20, 100);
	assert_int_equal(records.open_count, 0);
	assert_int_equal(pages_of(s), RECORD_PAGES_MAX);
	record_note(&records, s, UINT64_C(1) << 39, 1);
	assert_int_equal(pages_of(s), RECORD_PAGES_MAX);
}

static void the_collector_loses_his_oldest(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(segment); i++)
		segment[i].uid = i < 10 ? 1000 : 1001;
	for (size_t i = 0; i < RECORDS_MAX; i++)
		start(&segment[i], 0, 10);
	/* 10 of uid 1000, 54 of uid 1001. */
	start(&segment[RECORDS_MAX], 0, 10);
	assert_null(segment[10].record);
	segment[RECORDS_MAX + 1].uid = 1000;
	start(&segment[RECORDS_MAX + 1], 0, 10);
	assert_null(segment[11].record);
	/* Again for one that has one: nobody loses anything. */
	start(&segment[0], 0, 10);
	for (size_t i = 0; i < ARRAY_SIZE(segment); i++)
		assert_int_equal(segment[i].record == NULL,
				 i == 10 || i == 11);
	record_drop(&records, &segment[10]);
	record_drop(&records, &segment[12]);
	assert_int_equal(records.count, RECORDS_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_its_range_is_noted, begin,
						end),
		cmocka_unit_test_setup_teardown(stopping, begin, end),
		cmocka_unit_test_setup_teardown(enough_is_enough, begin, end),
		cmocka_unit_test_setup_teardown(the_collector_loses_his_oldest,
						begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
