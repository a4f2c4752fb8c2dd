/* SPDX-License-Identifier: MIT */
/* Proves what pager.h says of areas: a segment is admitted only with a slot for
 * each of its units, pages leave only to their own area, a page does not take a
 * second slot that another one is owed, no request goes over the end of a file,
 * and files come back when nobody needs them. */
#include "tests/unit/pager_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct world *start(uint32_t frames, uint32_t slots)
{
	const struct pager_config config = {
		.frame_count = frames, .slot_count = slots, .areas_max = 4,
	};
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	world_create(w, &config);
	assert_int_equal(pager_area_add(w->pager, &w->area), 0);
	return w;
}

static void finish(struct world *w)
{
	world_destroy(w);
	free(w);
}

static uint8_t byte_of(uint64_t page)
{
	return (uint8_t)(page % 255 + 1);
}

static void fill_pages(struct world *w, segment_id sg, uint64_t first,
		       uint64_t end)
{
	for (uint64_t page = first; page < end; page++) {
		world_fill(w, sg, page, byte_of(page));
		world_settle(w);
	}
}

static void expect_pages(struct world *w, segment_id sg, uint64_t first,
			 uint64_t end)
{
	for (uint64_t page = first; page < end; page++)
		world_expect(w, sg, page, byte_of(page));
}

static int try_create(struct world *w, uint64_t pages, segment_id *ret_id)
{
	return pager_segment_create(w->pager, 9, pages, 0, 0, w->area, ret_id);
}

static void segments_need_slots_of_their_own(void **state)
{
	struct world *w = start(64, 1024);
	segment_id id = 0;
	uint32_t first;

	(void)state;
	assert_int_equal(pager_area_lacks(w->pager, w->area, 100), 100);
	assert_int_equal(try_create(w, 100, &id), -ENOSPC);
	world_add_file(w, w->area, 60);
	assert_int_equal(pager_area_lacks(w->pager, w->area, 100), 40);
	assert_int_equal(try_create(w, 100, &id), -ENOSPC);
	world_add_file(w, w->area, 40);
	assert_int_equal(world_segment(w, 100, 0, 0), 1);
	assert_int_equal(pager_area_lacks(w->pager, w->area, 1), 1);
	/* Frames are no room, and neither are slots beyond the store. */
	assert_int_equal(world_stats(w).commit_limit_units, 1024);
	assert_int_equal(pager_area_add_file(w->pager, w->area, 925, &first),
			 -ENOSPC);
	world_add_file(w, w->area, 924);
	finish(w);
}

static void there_are_so_many_areas(void **state)
{
	struct world *w = start(64, 1024);
	area_id id;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pager_area_add(w->pager, &id), 0);
	assert_int_equal(pager_area_add(w->pager, &id), -EAGAIN);
	pager_area_remove(w->pager, 2);
	assert_int_equal(pager_area_add(w->pager, &id), 0);
	assert_int_equal(id, 2);
	finish(w);
}

/* As many slots as pages: what is written again goes where it was. */
static void the_last_slot_is_for_who_has_none(void **state)
{
	struct world *w = start(64, 1024);
	segment_id sg;

	(void)state;
	world_add_file(w, w->area, 40);
	sg = world_segment(w, 40, 0, 0);
	fill_pages(w, sg, 0, 39);
	world_page_out(w, sg, 0, 39);
	/* One slot is left, and page 39 is owed it. */
	world_fill(w, sg, 7, 0xaa);
	world_fill(w, sg, 39, 0xbb);
	(void)world_advise(w, sg, 7, 1, PAGER_PAGEOUT);
	(void)world_advise(w, sg, 39, 1, PAGER_PAGEOUT);
	world_run(w);
	assert_int_equal(w->io_count, 2);
	world_settle(w);
	assert_int_equal(world_info(w, sg).swapped, 40);
	world_expect(w, sg, 7, 0xaa);
	world_expect(w, sg, 39, 0xbb);
	finish(w);
}

/* Five slots are free at the end of the first file, and three at the start of
 * the second one, whose numbers follow.  Pages for all of them leave in one
 * batch, and come back in one. */
static void requests_end_where_a_file_ends(void **state)
{
	enum { FILE_SLOTS = 512, TAIL = 5, HEAD = 3, LAST = TAIL + HEAD };
	struct world *w = start(2048, 4096);
	segment_id sg;

	(void)state;
	world_add_file(w, w->area, FILE_SLOTS);
	world_add_file(w, w->area, FILE_SLOTS);
	assert_int_equal(w->file[1].first, FILE_SLOTS);
	sg = world_segment(w, 2 * FILE_SLOTS, 0, 0);
	fill_pages(w, sg, TAIL, 2 * FILE_SLOTS);
	world_page_out(w, sg, TAIL, FILE_SLOTS);
	world_page_out(w, sg, TAIL + FILE_SLOTS, FILE_SLOTS - TAIL);
	(void)world_advise(w, sg, TAIL, HEAD, PAGER_DONTNEED);
	world_settle(w);
	fill_pages(w, sg, 0, LAST);
	w->writes = 0;
	world_page_out(w, sg, 0, LAST);
	assert_int_equal(w->writes, 2);
	assert_int_equal(world_stats(w).free_slots, 4096 - 2 * FILE_SLOTS);
	world_advise(w, sg, 0, LAST, PAGER_WILLNEED);
	world_settle(w);
	expect_pages(w, sg, 0, 2 * FILE_SLOTS);
	finish(w);
}

static void files_come_back(void **state)
{
	struct world *w = start(64, 4096);
	segment_id sg, other;
	uint32_t first = 99;

	(void)state;
	world_add_file(w, w->area, 512);
	world_add_file(w, w->area, 256);
	sg = world_segment(w, 500, 0, 0);
	other = world_segment(w, 200, 0, 0);
	fill_pages(w, sg, 0, 100);
	world_page_out(w, sg, 0, 100);
	/* All is owed to somebody. */
	assert_int_equal(pager_area_trim(w->pager, w->area, &first), 0);
	world_segment_destroy(w, sg);
	world_settle(w);
	assert_int_equal(pager_area_trim(w->pager, w->area, &first), 512);
	assert_int_equal(first, 0);
	assert_int_equal(pager_area_trim(w->pager, w->area, &first), 0);
	world_segment_destroy(w, other);
	world_settle(w);
	assert_int_equal(world_stats(w).file_slots, 256);
	pager_area_remove(w->pager, w->area);
	assert_int_equal(world_stats(w).file_slots, 0);
	finish(w);
}

/* A slot that has failed is owed again: the area lacks one. */
static void failed_slots_are_replaced(void **state)
{
	struct world *w = start(64, 4096);
	segment_id sg;

	(void)state;
	world_add_file(w, w->area, 10);
	sg = world_segment(w, 10, 0, 0);
	fill_pages(w, sg, 0, 10);
	(void)world_advise(w, sg, 0, 10, PAGER_PAGEOUT);
	world_run(w);
	while (w->io_count > 0)
		world_end_io(w, 0, -EIO);
	world_settle(w);
	assert_int_equal(world_stats(w).quarantined_slots, 10);
	assert_int_equal(pager_area_lacks(w->pager, w->area, 0), 10);
	world_add_file(w, w->area, 10);
	assert_int_equal(pager_area_lacks(w->pager, w->area, 0), 0);
	world_page_out(w, sg, 0, 10);
	assert_int_equal(world_info(w, sg).swapped, 10);
	expect_pages(w, sg, 0, 10);
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_need_slots_of_their_own),
		cmocka_unit_test(there_are_so_many_areas),
		cmocka_unit_test(the_last_slot_is_for_who_has_none),
		cmocka_unit_test(requests_end_where_a_file_ends),
		cmocka_unit_test(files_come_back),
		cmocka_unit_test(failed_slots_are_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
