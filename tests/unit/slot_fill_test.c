/* SPDX-License-Identifier: MIT */
/* Proves what fill.h and slots.h say of files that are filled: a slot counts as
 * written once; a file is filled from its end when a quarter of it was written,
 * with slots that no page has; the last slot that is written says so, exactly
 * once; and nothing of a file that is removed is left.  First the slots alone,
 * then the pager with them. */
#include "tests/unit/pager_world.h"

#include "daemon/pager/slots.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* QUARTER: so many must be written before a file is filled. */
enum { FILE_SLOTS = 512, QUARTER = FILE_SLOTS / 4, MOST = 64 };

static struct slots sl;
static area_id area;

static uint32_t add_file(uint32_t count)
{
	uint32_t first;

	assert_int_equal(slots_add_file(&sl, area, count, &first), 0);
	return first;
}

static int begin(void **state)
{
	(void)state;
	assert_int_equal(slots_init(&sl, 8 * FILE_SLOTS, 2), 0);
	area = slots_add_area(&sl);
	return 0;
}

static int end(void **state)
{
	(void)state;
	slots_check(&sl);
	slots_fini(&sl);
	return 0;
}

/* Take `count` slots, and write to each.  Returns the first; they are one run.
 * True in *ret_filled: the last one has filled its file. */
static slot_id write_slots(uint32_t count, bool *ret_filled)
{
	slot_id first;
	uint32_t file;

	assert_int_equal(slots_get_run(&sl, area, count, &first), count);
	slots_chain_run(&sl, first, count);
	for (uint32_t i = 0; i < count; i++) {
		*ret_filled = slots_note_written(&sl, first + i, &file);
		assert_true(!*ret_filled || i + 1 == count);
	}
	return first;
}

static slot_id write_some(uint32_t count)
{
	bool is_filled;
	slot_id first = write_slots(count, &is_filled);

	assert_false(is_filled);
	return first;
}

static uint32_t take_unwritten(uint32_t *ret_first)
{
	slot_id slot;
	uint32_t count = slots_take_unwritten(&sl, MOST, &slot);

	*ret_first = count != 0 ? slot - 1 : UINT32_MAX;
	return count;
}

static void expect_unwritten(uint32_t first, uint32_t count)
{
	uint32_t got;

	assert_int_equal(take_unwritten(&got), count);
	assert_int_equal(got, first);
	slots_check(&sl);
}

static void expect_none(void)
{
	uint32_t first;

	assert_int_equal(take_unwritten(&first), 0);
	slots_check(&sl);
}

/* Slots [first, first + count), by index, were written well. */
static bool note_run(uint32_t first, uint32_t count)
{
	bool is_filled = false;
	uint32_t file;

	for (uint32_t i = 0; i < count; i++)
		is_filled |= slots_note_written(&sl, first + i + 1, &file);
	return is_filled;
}

/* ---- slots */

static void a_quarter_must_be_written(void **state)
{
	uint32_t first = add_file(FILE_SLOTS);
	slot_id slot;

	(void)state;
	expect_none();
	slot = write_some(QUARTER - 1);
	expect_none();
	/* The same ones again. */
	assert_false(note_run(slot - 1, QUARTER - 1));
	expect_none();
	write_some(1);
	expect_unwritten(first + FILE_SLOTS - MOST, MOST);
}

static void it_is_filled_from_its_end(void **state)
{
	uint32_t first = add_file(FILE_SLOTS), at = first + FILE_SLOTS;

	(void)state;
	write_some(QUARTER);
	while (at > first + QUARTER) {
		at -= MOST;
		expect_unwritten(at, MOST);
	}
	assert_int_equal(sl.count.free, 0);
	/* All are being written. */
	expect_none();
	assert_false(slots_is_filled(&sl, first));
}

/* A run of them is what lies between the others. */
static void what_pages_have_is_left_out(void **state)
{
	uint32_t first = add_file(FILE_SLOTS);
	slot_id slot = write_some(QUARTER), at, rest;

	(void)state;
	/* Of all others only 5 and 3 stay free; they are at 200 and 300. */
	assert_int_equal(slots_get_run(&sl, area, FILE_SLOTS, &rest),
			 FILE_SLOTS - QUARTER);
	assert_int_equal(rest, slot + QUARTER);
	slots_chain_run(&sl, first + 200 + 1, 5);
	slots_put_chain(&sl, first + 200 + 1);
	slots_chain_run(&sl, first + 300 + 1, 3);
	slots_put_chain(&sl, first + 300 + 1);
	/* Free, and written. */
	slots_put_chain(&sl, slot);
	expect_unwritten(first + 300, 3);
	expect_unwritten(first + 200, 5);
	expect_none();
	assert_int_equal(slots_get_run(&sl, area, QUARTER, &at), QUARTER);
	assert_int_equal(at, slot);
}

/* When nothing could be taken, the file is forgotten until the next write. */
static void a_write_queues_it_again(void **state)
{
	uint32_t first = add_file(FILE_SLOTS);
	slot_id rest;

	(void)state;
	write_some(QUARTER);
	assert_int_equal(slots_get_run(&sl, area, FILE_SLOTS, &rest),
			 FILE_SLOTS - QUARTER);
	slots_chain_run(&sl, rest, FILE_SLOTS - QUARTER);
	expect_none();
	slots_put_chain(&sl, rest);
	expect_none();
	assert_false(note_run(first + QUARTER, 1));
	expect_unwritten(first + FILE_SLOTS - MOST, MOST);
}

static void the_last_one_says_so_once(void **state)
{
	uint32_t first, other, file = 0;
	slot_id slot;
	bool is_filled;

	(void)state;
	other = add_file(FILE_SLOTS);
	first = add_file(FILE_SLOTS);
	slot = write_some(FILE_SLOTS - 1);
	assert_int_equal(slot, first + 1);
	assert_false(slots_is_filled(&sl, first));
	slot = write_slots(1, &is_filled);
	assert_true(is_filled);
	assert_true(slots_is_filled(&sl, first));
	assert_false(slots_is_filled(&sl, other));
	assert_int_equal(slots_file_area(&sl, first), area);
	/* Again. */
	assert_false(slots_note_written(&sl, slot, &file));
	assert_int_equal(file, 0);
	expect_none();
	/* The number is the file's first slot. */
	assert_false(note_run(other, FILE_SLOTS - 1));
	assert_true(slots_note_written(&sl, other + FILE_SLOTS, &file));
	assert_int_equal(file, other);
}

/* Also a file that is no power of two, and not larger than a region. */
static void files_of_any_size_are_filled(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 5, 63, 511, 513, 1000 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint32_t first = add_file(sizes[i]), file, got;
		uint32_t count, told = 0;

		told += slots_note_written(&sl, first + 1, &file);
		for (uint32_t k = 1; k <= sizes[i] / 4; k++)
			told += slots_note_written(&sl, first + k + 1, &file);
		while ((count = take_unwritten(&got)) != 0) {
			slots_put_chain(&sl, got + 1);
			told += note_run(got, count);
		}
		assert_int_equal(told, 1);
		assert_true(slots_is_filled(&sl, first));
		slots_remove_file(&sl, first);
	}
}

static void a_removed_file_is_forgotten(void **state)
{
	uint32_t first = add_file(FILE_SLOTS), second = add_file(FILE_SLOTS);
	uint32_t third = add_file(FILE_SLOTS);

	(void)state;
	note_run(first, QUARTER);
	note_run(second, QUARTER);
	note_run(third, QUARTER);
	/* It is neither the first nor the last in the queue. */
	slots_remove_file(&sl, second);
	for (uint32_t left = FILE_SLOTS - QUARTER; left > 0; left -= MOST)
		expect_unwritten(third + QUARTER + left - MOST, MOST);
	expect_unwritten(first + FILE_SLOTS - MOST, MOST);
	slots_put_chain(&sl, first + FILE_SLOTS - MOST + 1);
	slots_remove_file(&sl, first);
	expect_none();
	/* In the same place: nothing of it was written. */
	sl.region_hint = 0;
	assert_int_equal(add_file(FILE_SLOTS), first);
	assert_false(note_run(first, QUARTER - 1));
	expect_none();
	assert_false(note_run(first + QUARTER - 1, 1));
	expect_unwritten(first + FILE_SLOTS - MOST, MOST);
}

static void a_filled_file_may_be_removed(void **state)
{
	uint32_t first = add_file(FILE_SLOTS);

	(void)state;
	assert_true(note_run(first, FILE_SLOTS));
	slots_remove_file(&sl, first);
	sl.region_hint = 0;
	assert_int_equal(add_file(FILE_SLOTS), first);
	assert_false(slots_is_filled(&sl, first));
}

static void bad_slots_are_not_taken(void **state)
{
	uint32_t first = add_file(FILE_SLOTS);
	slot_id slot;

	(void)state;
	write_some(QUARTER);
	expect_unwritten(first + FILE_SLOTS - MOST, MOST);
	slot = first + FILE_SLOTS - MOST + 1;
	slots_quarantine_chain(&sl, slot);
	expect_unwritten(first + FILE_SLOTS - 2 * MOST, MOST);
	/* Whoever gives them up says that they need no write. */
	assert_false(note_run(slot - 1, MOST));
	assert_true(note_run(first, FILE_SLOTS));
}

/* ---- the pager */

enum { PAGES = FILE_SLOTS };

static struct world *start(bool fills_files)
{
	const struct pager_config config = {
		.frame_count = 2 * PAGES, .slot_count = 8 * FILE_SLOTS,
		.areas_max = 4, .fills_files = fills_files,
	};
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	world_create(w, &config);
	assert_int_equal(pager_area_add(w->pager, &w->area), 0);
	world_add_file(w, w->area, FILE_SLOTS);
	return w;
}

static void finish(struct world *w)
{
	world_destroy(w);
	free(w);
}

/* Pages with slots of their own: `count` slots are written. */
static segment_id write_pages(struct world *w, uint32_t count)
{
	segment_id sg = world_segment(w, PAGES, 0, 0);

	for (uint32_t page = 0; page < count; page++)
		world_fill(w, sg, page, (uint8_t)(page % 255 + 1));
	world_page_out(w, sg, 0, count);
	return sg;
}

static void expect_pages(struct world *w, segment_id sg, uint32_t count)
{
	for (uint32_t page = 0; page < count; page++)
		world_expect(w, sg, page, (uint8_t)(page % 255 + 1));
}

static void expect_filled(const struct world *w, unsigned count)
{
	assert_int_equal(w->filled_count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(w->filled[i], w->file[i].first);
}

static void the_pager_fills_the_rest(void **state)
{
	struct world *w = start(true);
	segment_id sg, other;

	(void)state;
	memset(w->slots, 0xff, FILE_SLOTS * (size_t)PAGER_UNIT_BYTES);
	sg = write_pages(w, QUARTER - 1);
	expect_filled(w, 0);
	assert_int_equal(world_stats(w).slots_filled, 0);
	world_fill(w, sg, QUARTER, 1);
	world_page_out(w, sg, QUARTER, 1);
	expect_filled(w, 1);
	assert_int_equal(world_stats(w).slots_filled, FILE_SLOTS - QUARTER);
	for (size_t i = 0; i < FILE_SLOTS; i++)
		assert_int_not_equal(w->slots[i * PAGER_UNIT_BYTES], 0xff);
	assert_int_equal(world_stats(w).free_slots, 8 * FILE_SLOTS - QUARTER);
	expect_pages(w, sg, QUARTER - 1);
	/* A second file, and no word of the first. */
	world_add_file(w, w->area, FILE_SLOTS);
	other = world_segment(w, PAGES, 0, 0);
	for (uint32_t page = 0; page < PAGES; page++)
		world_fill(w, other, page, 3);
	world_page_out(w, other, 0, PAGES);
	expect_filled(w, 2);
	finish(w);
}

static void without_the_setting_nothing_is_filled(void **state)
{
	struct world *w = start(false);

	(void)state;
	write_pages(w, PAGES);
	expect_filled(w, 0);
	assert_int_equal(world_stats(w).slots_filled, 0);
	finish(w);
}

/* All were written by evictions. */
static void evictions_may_fill_it_alone(void **state)
{
	struct world *w = start(true);

	(void)state;
	write_pages(w, PAGES);
	expect_filled(w, 1);
	finish(w);
}

/* Evictions have ended; the request that fills is there. */
static segment_id begin_to_fill(struct world *w)
{
	segment_id sg = world_segment(w, PAGES, 0, 0);

	for (uint32_t page = 0; page < QUARTER; page++)
		world_fill(w, sg, page, (uint8_t)(page % 255 + 1));
	(void)world_advise(w, sg, 0, QUARTER, PAGER_PAGEOUT);
	while (world_stats(w).slots_filled == 0) {
		world_run(w);
		if (world_stats(w).slots_filled == 0)
			world_end_io(w, 0, 0);
	}
	assert_int_equal(w->io_count, 1);
	assert_true(w->io[0].is_write);
	assert_true(pager_area_is_filling(w->pager, w->area));
	return sg;
}

static void a_request_that_fails_now_is_left(void **state)
{
	struct world *w = start(true);
	segment_id sg = begin_to_fill(w);
	uint64_t free_slots;

	(void)state;
	world_end_io(w, 0, -ENOSPC);
	assert_false(pager_area_is_filling(w->pager, w->area));
	free_slots = world_stats(w).free_slots;
	assert_int_equal(free_slots, 8 * FILE_SLOTS - QUARTER);
	world_settle(w);
	expect_filled(w, 0);
	assert_int_equal(w->io_count, 0);
	/* The next write begins again. */
	world_fill(w, sg, QUARTER, 1);
	world_page_out(w, sg, QUARTER, 1);
	expect_filled(w, 1);
	assert_int_equal(world_stats(w).quarantined_slots, 0);
	expect_pages(w, sg, QUARTER);
	finish(w);
}

static void bad_slots_count_as_written(void **state)
{
	struct world *w = start(true);
	segment_id sg = begin_to_fill(w);
	uint32_t count = w->io[0].slot_count;

	(void)state;
	world_end_io(w, 0, -EIO);
	assert_int_equal(world_stats(w).quarantined_slots, count);
	world_settle(w);
	expect_filled(w, 1);
	expect_pages(w, sg, QUARTER);
	finish(w);
}

/* One that no page could be written to. */
static void bad_slots_of_evictions_count_too(void **state)
{
	struct world *w = start(true);
	segment_id sg = world_segment(w, PAGES, 0, 0);

	(void)state;
	world_fill(w, sg, 0, 9);
	(void)world_advise(w, sg, 0, 1, PAGER_PAGEOUT);
	world_run(w);
	assert_int_equal(w->io_count, 1);
	world_end_io(w, 0, -EIO);
	world_settle(w);
	assert_int_equal(world_stats(w).quarantined_slots, 1);
	for (uint32_t page = 1; page <= QUARTER; page++)
		world_fill(w, sg, page, 1);
	world_page_out(w, sg, 1, QUARTER);
	expect_filled(w, 1);
	world_expect(w, sg, 0, 9);
	finish(w);
}

/* A fault does not wait for it, and no page gets its slots. */
static void filling_is_in_nobodys_way(void **state)
{
	struct world *w = start(true);
	segment_id sg = begin_to_fill(w);
	struct swap_io fill = w->io[0];
	uint32_t first;

	(void)state;
	assert_int_equal(fill.slot + fill.slot_count, FILE_SLOTS);
	assert_int_equal(world_fault(w, sg, QUARTER)->error, 0);
	assert_null(world_fault(w, sg, 1));
	assert_int_equal(w->io_count, 2);
	world_end_io(w, 1, 0);
	assert_int_equal(world_info(w, sg).resident, 2);
	/* One request at a time. */
	world_run(w);
	assert_int_equal(w->io_count, 1);
	world_segment_destroy(w, sg);
	world_run(w);
	assert_int_equal(pager_area_trim(w->pager, w->area, &first), 0);
	world_settle(w);
	expect_filled(w, 1);
	assert_int_equal(pager_area_trim(w->pager, w->area, &first),
			 FILE_SLOTS);
	finish(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_quarter_must_be_written),
		TEST(it_is_filled_from_its_end),
		TEST(what_pages_have_is_left_out),
		TEST(a_write_queues_it_again),
		TEST(the_last_one_says_so_once),
		TEST(files_of_any_size_are_filled),
		TEST(a_removed_file_is_forgotten),
		TEST(a_filled_file_may_be_removed),
		TEST(bad_slots_are_not_taken),
		cmocka_unit_test(the_pager_fills_the_rest),
		cmocka_unit_test(without_the_setting_nothing_is_filled),
		cmocka_unit_test(evictions_may_fill_it_alone),
		cmocka_unit_test(a_request_that_fails_now_is_left),
		cmocka_unit_test(bad_slots_count_as_written),
		cmocka_unit_test(bad_slots_of_evictions_count_too),
		cmocka_unit_test(filling_is_in_nobodys_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
