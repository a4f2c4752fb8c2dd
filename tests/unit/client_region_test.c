/* SPDX-License-Identifier: MIT */
/* Proves that the table of regions finds exactly the region of every address
 * while regions come and go in any order, that readers in other threads are
 * right meanwhile without waiting, that a daemon's reply is cut to what is
 * inside a region, and that marks and ends of what it tells are noticed. */
#include "client/region/told.h"
#include "common/checks.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef __SANITIZE_THREAD__	/* each step takes fifty times as long */
enum { STEPS = 2000 };
#else
enum { STEPS = 20000 };
#endif
enum { SLOTS = 1500, PAGE = 4096 };

/* Slot i owns [base(i), base(i) + (i % 7 + 1) pages); gaps lie between. */
static uintptr_t base_of(size_t i)
{
	return ((uintptr_t)i + 1) * 64 * PAGE;
}

static struct region *add(struct regions *rs, size_t i)
{
	struct region *r;

	assert_int_equal(regions_get(rs, &r), 0);
	r->start = base_of(i);
	r->length = (i % 7 + 1) * PAGE;
	r->page_shift = 12;
	atomic_store(&r->state, REGION_LIVE);
	assert_int_equal(regions_add(rs, r), 0);
	return r;
}

static void check_slot(struct regions *rs, size_t i, struct region *want)
{
	uintptr_t start = base_of(i);
	size_t length = (i % 7 + 1) * PAGE;

	assert_ptr_equal(regions_find(rs, start), want);
	assert_ptr_equal(regions_find(rs, start + length - 1), want);
	assert_null(regions_find(rs, start - 1));
	assert_null(regions_find(rs, start + length));
	if (want != NULL)
		assert_ptr_equal(regions_at(rs, want->idx), want);
}

static void agrees_with_a_plain_array(void **state)
{
	static struct region *model[SLOTS];
	static struct regions rs;
	unsigned seed = 7;
	size_t count = 0;

	(void)state;
	regions_init(&rs);
	for (unsigned step = 0; step < STEPS; step++) {
		size_t i = (size_t)rand_r(&seed) % SLOTS;

		check_slot(&rs, i, model[i]);
		if (model[i] == NULL) {
			model[i] = add(&rs, i);
			count++;
		} else {
			regions_remove(&rs, model[i]);
			regions_put(&rs, model[i]);
			model[i] = NULL;
			count--;
		}
		check_slot(&rs, i, model[i]);
		if (step % 500 == 0)
			regions_check(&rs);
	}
	for (size_t i = 0; i < count; i++)
		assert_non_null(regions_nth(&rs, i));
	assert_null(regions_nth(&rs, count));
	regions_check(&rs);
	regions_fini(&rs);
}

static void has_a_limit(void **state)
{
	static struct regions rs;
	struct region *r = NULL;
	struct region *last = NULL;
	int err;

	(void)state;
	regions_init(&rs);
	for (size_t i = 0; (err = regions_get(&rs, &r)) == 0; i++) {
		assert_int_equal(r->idx, i);
		last = r;
	}
	assert_int_equal(err, -EMFILE);
	assert_int_equal(last->idx, 65535);
	regions_put(&rs, last);
	assert_int_equal(regions_get(&rs, &r), 0);
	assert_ptr_equal(r, last);
	regions_fini(&rs);
}

/* ---- readers */

static struct regions shared;
static atomic_int is_over;

/* Every even slot stays; the odd ones come and go. */
static void *read_always(void *arg)
{
	uintptr_t wrong = 0;
	unsigned seed = 3;

	(void)arg;
	while (!is_over) {
		size_t i = (size_t)rand_r(&seed) % SLOTS;
		struct region *r = regions_find(&shared, base_of(i));

		if (i % 2 == 0)
			wrong += r == NULL || r->start != base_of(i);
		wrong += regions_find(&shared, base_of(i) - 1) != NULL;
	}
	return (void *)wrong;
}

static void readers_are_right_while_it_changes(void **state)
{
	static struct region *model[SLOTS];
	pthread_t readers[2];
	unsigned seed = 5;

	(void)state;
	regions_init(&shared);
	for (size_t i = 0; i < SLOTS; i += 2)
		model[i] = add(&shared, i);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_always,
						NULL), 0);
	for (unsigned step = 0; step < STEPS; step++) {
		size_t i = (size_t)rand_r(&seed) % (SLOTS / 2) * 2 + 1;

		if (model[i] == NULL) {
			model[i] = add(&shared, i);
		} else {
			regions_remove(&shared, model[i]);
			regions_put(&shared, model[i]);
			model[i] = NULL;
		}
	}
	is_over = 1;
	for (unsigned i = 0; i < 2; i++) {
		void *wrong;

		pthread_join(readers[i], &wrong);
		assert_null(wrong);
	}
	regions_check(&shared);
	regions_fini(&shared);
}

/* ---- replies */

static void arithmetic(void **state)
{
	static const unsigned shifts[] = { 12, 14, 16, 21 };
	static const struct told told[] = {
		{ 0, UINT64_MAX, 3 }, { UINT64_MAX, UINT64_MAX, 5 },
		{ 6, 1, TOLD_NO_PAGE }, { 0, 0, UINT64_MAX - 1 },
		{ 31, 2, 31 }, { 4, 8, 5 },
	};
	struct region r = { .start = UINT64_C(1) << 40,
			    .length = 64u << 21 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		r.page_shift = shifts[i];
		assert_int_equal(region_page_count(&r), r.length >> shifts[i]);
		assert_int_equal(region_page_at(&r, r.start), 0);
		assert_int_equal(region_page_at(&r, r.start + r.length - 1),
				 region_page_count(&r) - 1);
		assert_int_equal(region_page_start(&r, 3),
				 r.start + 3 * region_page_bytes(&r));
		/* Whatever the range, it ends: on a number that is no
		 * userfaultfd, at the first try. */
		for (size_t k = 0; k < ARRAY_SIZE(told); k++) {
			uintptr_t at = region_page_start(&r, 5) + 1;

			assert_int_equal(told_map_reply(&r, -1, at, &told[k]),
					 UFFD_UNUSABLE);
			told_map_ready(&r, -1, &told[k]);
		}
	}
}

static struct region small_region(void)
{
	return (struct region){ .start = UINT64_C(1) << 40,
				.length = 1000 * PAGE, .page_shift = 12 };
}

static void reply(struct region *r, uint64_t page, uint64_t first,
		  uint64_t count, uint64_t mark)
{
	const struct told told = { first, count, mark };

	(void)told_map_reply(r, -1, region_page_start(r, page), &told);
}

static void ready(struct region *r, uint64_t first, uint64_t count,
		  uint64_t mark)
{
	const struct told told = { first, count, mark };

	told_map_ready(r, -1, &told);
}

/* A mark is taken once; one outside of what was told, or the page that was
 * asked for, is none. */
static void marks(void **state)
{
	struct region r = small_region();

	(void)state;
	reply(&r, 10, 10, 8, 14);
	ready(&r, 18, 8, 20);
	ready(&r, 26, 8, 40);
	reply(&r, 50, 50, 8, 50);
	assert_false(told_take_mark(&r, 13));
	assert_true(told_take_mark(&r, 14));
	assert_false(told_take_mark(&r, 14));
	assert_true(told_take_mark(&r, 20));
	assert_false(told_take_mark(&r, 40));
	assert_false(told_take_mark(&r, 50));
	/* The newest are kept. */
	for (uint64_t i = 0; i < 3 * REGION_NOTES; i++)
		ready(&r, 100 + i * 8, 8, 104 + i * 8);
	for (uint64_t i = 0; i < 3 * REGION_NOTES; i++)
		assert_int_equal(told_take_mark(&r, 104 + i * 8),
				 i >= 2 * REGION_NOTES);
}

/* What was told of ends behind the reader's last page, in the direction in
 * which it goes, and moves on with what is told next. */
static void edges(void **state)
{
	struct region r = small_region();

	(void)state;
	reply(&r, 10, 10, 8, TOLD_NO_PAGE);
	ready(&r, 18, 8, TOLD_NO_PAGE);
	assert_false(told_take_edge(&r, 10));
	assert_false(told_take_edge(&r, 18));
	assert_true(told_take_edge(&r, 26));
	assert_false(told_take_edge(&r, 26));
	/* Backward, and by one who leaves a page out. */
	reply(&r, 500, 480, 21, TOLD_NO_PAGE);
	ready(&r, 460, 20, TOLD_NO_PAGE);
	assert_false(told_take_edge(&r, 479));
	assert_true(told_take_edge(&r, 458));
	assert_false(told_take_edge(&r, 457));
	assert_false(told_take_edge(&r, 459));
	/* Pages that come alone tell nothing. */
	reply(&r, 700, 700, 1, TOLD_NO_PAGE);
	ready(&r, 704, 1, TOLD_NO_PAGE);
	assert_false(told_take_edge(&r, 705));
	assert_false(told_take_edge(&r, 703));
	assert_false(told_take_edge(&r, 701));
	assert_false(told_take_edge(&r, 0));
}

/* One in eight is looked for even in a long run of missing ones, and one that
 * was there ends the run; what the handler is just mapping is there. */
static void missing_runs(void **state)
{
	struct region r = small_region();
	unsigned expected = 0;

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		assert_false(told_expects_missing(&r, i));
		told_note_missing(&r, true);
	}
	for (unsigned i = 0; i < 80; i++) {
		if (told_expects_missing(&r, i))
			expected++;
		else
			told_note_missing(&r, true);
	}
	assert_int_equal(expected, 70);
	if (!told_expects_missing(&r, 1))
		told_note_missing(&r, true);
	assert_true(told_expects_missing(&r, 1));
	atomic_store(&r.ready_first, 500);
	atomic_store(&r.ready_end, 510);
	assert_false(told_expects_missing(&r, 500));
	assert_false(told_expects_missing(&r, 509));
	assert_true(told_expects_missing(&r, 510));
	reply(&r, 600, 600, 8, 604);
	assert_false(told_expects_missing(&r, 604));
	assert_true(told_take_mark(&r, 604));
	assert_true(told_expects_missing(&r, 604));
	told_note_missing(&r, false);
	assert_false(told_expects_missing(&r, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_plain_array),
		cmocka_unit_test(has_a_limit),
		cmocka_unit_test(readers_are_right_while_it_changes),
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(marks),
		cmocka_unit_test(edges),
		cmocka_unit_test(missing_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
