/* SPDX-License-Identifier: MIT */
/* Proves that a Ready or an Age reaches the regions of its segment, all of
 * them and no others, and that what it costs does not grow with the number of
 * regions: none of the others is walked over. */
#include "client/fault/hint.h"
#include "client/region/told.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum {
	REGIONS = 16384,	/* segments of a session, at most */
	PAGE = 4096,
	TWICE = 5000,		/* a segment with two regions */
	FIRST_SEGMENT = 700001,
};

static struct space space;
static struct touched touched;
static struct link link_down;
static struct region *region[REGIONS + 1];
static uint8_t *memory;

/* ---- walking over the regions is counted */

static unsigned walk_count;

struct region *__real_regions_nth(struct regions *rs, size_t i);
struct region *__wrap_regions_nth(struct regions *rs, size_t i);

struct region *__wrap_regions_nth(struct regions *rs, size_t i)
{
	walk_count++;
	return __real_regions_nth(rs, i);
}

/* ---- regions of one page each */

static uint8_t *page_of(size_t i)
{
	return memory + i * PAGE;
}

static void add(size_t i, uint32_t segment)
{
	assert_int_equal(regions_get(&space.regions, &region[i]), 0);
	region[i]->start = (uintptr_t)page_of(i);
	region[i]->length = PAGE;
	region[i]->page_shift = 12;
	atomic_store(&region[i]->segment, segment);
	atomic_store(&region[i]->state, REGION_LIVE);
	assert_int_equal(regions_add(&space.regions, region[i]), 0);
}

static int begin(void **state)
{
	(void)state;
	memory = mmap(NULL, (REGIONS + 1) * (size_t)PAGE,
		      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	regions_init(&space.regions);
	link_init(&link_down);
	space.uffd.fd = -1;
	for (size_t i = 0; i < REGIONS; i++)
		add(i, FIRST_SEGMENT + (uint32_t)i);
	add(REGIONS, FIRST_SEGMENT + TWICE);
	regions_check(&space.regions);
	walk_count = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	regions_fini(&space.regions);
	munmap(memory, (REGIONS + 1) * (size_t)PAGE);
	return 0;
}

/* ---- messages */

static void take_age(uint32_t segment)
{
	Memd__Range range = MEMD__RANGE__INIT, *ranges[] = { &range };
	Memd__Age m = MEMD__AGE__INIT;

	range.first = 0;
	range.count = 1;
	m.segment = segment;
	m.n_range = 1;
	m.range = ranges;
	hint_take_age(&space, &touched, &link_down, &m);
}

static void take_ready(uint32_t segment)
{
	Memd__Range range = MEMD__RANGE__INIT, *ranges[] = { &range };
	Memd__Ready m = MEMD__READY__INIT;
	uint64_t mark = 0;

	range.first = 0;
	range.count = 1;
	m.segment = segment;
	m.n_range = 1;
	m.range = ranges;
	m.n_mark = 1;
	m.mark = &mark;
	hint_take_ready(&space, &link_down, &m);
}

/* An aged page of anonymous memory reads as zeros. */
static void assert_aged(size_t i, bool is_aged)
{
	assert_int_equal(*page_of(i), is_aged ? 0 : 1);
	*page_of(i) = 1;
}

static void fill(void)
{
	for (size_t i = 0; i <= REGIONS; i++)
		*page_of(i) = 1;
}

static void age_reaches_its_segment_only(void **state)
{
	(void)state;
	fill();
	take_age(FIRST_SEGMENT + 9);
	for (size_t i = 0; i <= REGIONS; i++)
		assert_aged(i, i == 9);
	take_age(FIRST_SEGMENT + TWICE);
	for (size_t i = 0; i <= REGIONS; i++)
		assert_aged(i, i == TWICE || i == REGIONS);
	take_age(FIRST_SEGMENT + REGIONS);	/* nobody's */
	for (size_t i = 0; i <= REGIONS; i++)
		assert_aged(i, false);
	assert_int_equal(walk_count, 0);
}

/* A mark that was told is known to the regions that the message reached. */
static void ready_reaches_its_segment_only(void **state)
{
	(void)state;
	take_ready(FIRST_SEGMENT + 9);
	take_ready(FIRST_SEGMENT + TWICE);
	for (size_t i = 0; i <= REGIONS; i++)
		assert_int_equal(told_take_mark(region[i], 0),
				 i == 9 || i == TWICE || i == REGIONS);
	assert_int_equal(walk_count, 0);
}

/* While its segment is attached again nothing is true of a region; then it
 * is one of another number. */
static void a_segment_may_change_its_number(void **state)
{
	(void)state;
	fill();
	atomic_store(&region[9]->state, REGION_JOINING);
	take_age(FIRST_SEGMENT + 9);
	assert_aged(9, false);
	regions_set_segment(&space.regions, region[9], 17);
	atomic_store(&region[9]->state, REGION_LIVE);
	take_age(FIRST_SEGMENT + 9);
	assert_aged(9, false);
	take_age(17);
	assert_aged(9, true);
	regions_check(&space.regions);
	regions_remove(&space.regions, region[9]);
	take_age(17);
	assert_aged(9, false);
	regions_put(&space.regions, region[9]);
	regions_check(&space.regions);
	assert_int_equal(walk_count, 0);
}

/* A message costs as much as its bucket is long. */
static void no_bucket_is_long(void **state)
{
	const struct region *r;

	(void)state;
	for (size_t i = 0; i < REGION_BUCKETS; i++) {
		unsigned length = 0;

		LIST_FOREACH(r, &space.regions.bucket[i], bucket_link)
			length++;
		assert_in_range(length, 1, REGIONS / REGION_BUCKETS + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(age_reaches_its_segment_only,
						begin, end),
		cmocka_unit_test_setup_teardown(ready_reaches_its_segment_only,
						begin, end),
		cmocka_unit_test_setup_teardown(a_segment_may_change_its_number,
						begin, end),
		cmocka_unit_test_setup_teardown(no_bucket_is_long, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
