/* SPDX-License-Identifier: MIT */
/* Proves that FETCH says at its end, not before, what has come in and what has
 * not; that it takes free frames only; and that it takes none while a fault
 * waits for frames, however many there are for it. */
#include "tests/unit/pager_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ORDER_BIG = 2, UNITS_BIG = 1 << ORDER_BIG, FRAMES = 64 };

static struct world *begin(uint32_t low_watermark)
{
	struct pager_config config = { .low_watermark = low_watermark,
				       .high_watermark = low_watermark + 1 };
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world_create(w, &config);
	return w;
}

static void end(struct world *w)
{
	world_destroy(w);
	free(w);
}

/* A segment whose pages are all in the store. */
static segment_id make_swapped(struct world *w, uint64_t pages)
{
	segment_id sg = world_segment(w, pages, 0, 0);

	for (uint64_t page = 0; page < pages; page++)
		world_fill(w, sg, page, (uint8_t)(page + 1));
	world_page_out(w, sg, 0, pages);
	return sg;
}

static const struct world_done *last_done(const struct world *w)
{
	assert_true(w->done_count > 0);
	return &w->done[w->done_count - 1];
}

static void expect_done(const struct world *w, int left, uint64_t read)
{
	assert_int_equal(last_done(w)->result, left);
	assert_int_equal(last_done(w)->count, read);
}

static void it_ends_when_the_pages_are_there(void **state)
{
	struct world *w = begin(1);
	segment_id sg = make_swapped(w, 8);

	(void)state;
	world_expect(w, sg, 3, 4);
	assert_int_equal(world_advise(w, sg, 0, 8, PAGER_FETCH), 1);
	assert_int_equal(world_info(w, sg).loading, 7);
	world_run(w);
	assert_int_equal(world_info(w, sg).loading, 7);
	world_settle(w);
	/* One was there. */
	expect_done(w, 0, 7);
	assert_int_equal(world_info(w, sg).resident, 8);
	/* All are. */
	assert_int_equal(world_advise(w, sg, 0, 8, PAGER_FETCH), 0);
	expect_done(w, 0, 0);
	end(w);
}

static void lost_pages_are_left(void **state)
{
	struct world *w = begin(1);
	segment_id sg = make_swapped(w, 8);

	(void)state;
	w->slots[world_find_slot(w, 4) * (size_t)PAGER_UNIT_BYTES] ^= 1;
	assert_int_equal(world_advise(w, sg, 0, 8, PAGER_FETCH), 1);
	world_settle(w);
	expect_done(w, 1, 8);
	assert_int_equal(world_info(w, sg).lost, 1);
	end(w);
}

static void nothing_is_evicted_for_it(void **state)
{
	enum { FREE = 8, LOW = 4 };
	struct world *w = begin(LOW);
	segment_id sg = make_swapped(w, 32);
	segment_id other = world_segment(w, FRAMES - FREE, 0, 0);
	uint64_t evicted;

	(void)state;
	for (uint64_t page = 0; page < FRAMES - FREE; page++)
		(void)world_fault_wait(w, other, page);
	evicted = world_stats(w).evicted;
	assert_int_equal(world_stats(w).free_frames, FREE);
	assert_int_equal(world_advise(w, sg, 0, 32, PAGER_FETCH), 1);
	/* As readahead, down to a quarter of the low watermark. */
	assert_int_equal(world_info(w, sg).loading, FREE - LOW / 4);
	while (w->io_count > 0)
		world_end_io(w, 0, 0);
	expect_done(w, 32 - (FREE - LOW / 4), FREE - LOW / 4);
	assert_int_equal(world_stats(w).evicted, evicted);
	end(w);
}

/* Of frames that a large page waits for, small ones are free. */
static void a_fault_that_waits_for_frames_comes_first(void **state)
{
	enum { FREE = UNITS_BIG - 1 };
	struct world *w = begin(1);
	segment_id sg = make_swapped(w, 8);
	segment_id big = world_segment(w, 1, ORDER_BIG, 0);
	segment_id other = world_segment(w, FRAMES - FREE, 0, 0);

	(void)state;
	for (uint64_t page = 0; page < FRAMES - FREE; page++)
		(void)world_fault_wait(w, other, page);
	assert_int_equal(world_stats(w).free_frames, FREE);
	assert_null(world_fault(w, big, 0));
	assert_int_equal(world_stats(w).faults_waiting, 1);
	assert_int_equal(world_advise(w, sg, 0, 8, PAGER_FETCH), 1);
	assert_int_equal(world_info(w, sg).loading, 0);
	world_settle(w);
	assert_int_equal(world_info(w, big).resident, 1);
	assert_true(last_done(w)->result >= 0);
	assert_int_equal(world_stats(w).faults_waiting, 0);
	end(w);
}

static void it_ends_with_its_segment(void **state)
{
	struct world *w = begin(1);
	segment_id sg = make_swapped(w, 8);

	(void)state;
	assert_int_equal(world_advise(w, sg, 0, 8, PAGER_FETCH), 1);
	world_segment_destroy(w, sg);
	assert_int_equal(last_done(w)->result, -EFAULT);
	world_settle(w);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_ends_when_the_pages_are_there),
		cmocka_unit_test(lost_pages_are_left),
		cmocka_unit_test(nothing_is_evicted_for_it),
		cmocka_unit_test(a_fault_that_waits_for_frames_comes_first),
		cmocka_unit_test(it_ends_with_its_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
