/* SPDX-License-Identifier: MIT */
/* Proves that a table is zeroed and sparse, that what is written stays, that
 * reserving provides memory and changes no element, that discarding zeroes
 * exactly the range and gives whole pages back, that a second mapping of its
 * descriptor shows the same bytes, and that failures leave nothing open. */
#include "common/table.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

enum { ELEMENTS = 100000, PAGE_BYTES = 4096 };

struct element {
	uint32_t a, b, c;	/* 12 bytes: elements straddle pages */
};

static struct element *at(const struct table *t, size_t idx)
{
	return (struct element *)t->base + idx;
}

static void make(struct table *t)
{
	assert_int_equal(table_init(t, "memd-test", sizeof(struct element),
				    ELEMENTS), 0);
}

static void test_zeroed_and_sparse(void **state)
{
	struct table t;

	(void)state;
	make(&t);
	assert_int_equal((uintptr_t)t.base % PAGE_BYTES, 0);
	assert_int_equal(table_memory_bytes(&t), 0);
	at(&t, 5)->a = 1;
	at(&t, ELEMENTS - 1)->c = 2;
	assert_int_equal(table_memory_bytes(&t), 2 * PAGE_BYTES);
	assert_int_equal(at(&t, 4)->c, 0);
	assert_int_equal(at(&t, 5)->b, 0);
	table_fini(&t);
}

/* Memory is there before it is touched, and nothing else changes. */
static void test_reserve(void **state)
{
	struct table t;

	(void)state;
	make(&t);
	at(&t, 5)->a = 1;
	assert_int_equal(table_reserve(&t, 4, 3 * PAGE_BYTES / 12), 0);
	assert_int_equal(table_memory_bytes(&t), 4 * PAGE_BYTES);
	assert_int_equal(at(&t, 5)->a, 1);
	assert_int_equal(at(&t, PAGE_BYTES / 12 + 1)->b, 0);
	assert_int_equal(table_reserve(&t, ELEMENTS - 1, 1), 0);
	table_discard(&t, 0, ELEMENTS);
	table_fini(&t);
}

static void fill(struct table *t)
{
	for (size_t i = 0; i < ELEMENTS; i++)
		*at(t, i) = (struct element){ (uint32_t)i, 7, (uint32_t)~i };
}

static void assert_discarded(const struct table *t, size_t first, size_t count)
{
	for (size_t i = 0; i < ELEMENTS; i++) {
		bool inside = i >= first && i < first + count;

		assert_int_equal(at(t, i)->a, inside ? 0 : (uint32_t)i);
		assert_int_equal(at(t, i)->b, inside ? 0 : 7);
		assert_int_equal(at(t, i)->c, inside ? 0 : (uint32_t)~i);
	}
}

static void test_discard(void **state)
{
	static const size_t ranges[][2] = {
		{ 0, 0 }, { 0, 1 }, { 3, 200 }, { 341, 1 }, { 0, 1024 },
		{ 1000, 50000 }, { ELEMENTS - 1, 1 }, { 0, ELEMENTS },
	};
	struct table t;

	(void)state;
	make(&t);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		size_t before;

		fill(&t);
		before = table_memory_bytes(&t);
		table_discard(&t, ranges[i][0], ranges[i][1]);
		if (ranges[i][1] >= 1024)
			assert_true(table_memory_bytes(&t) + PAGE_BYTES * 2 <=
				    before);
		assert_discarded(&t, ranges[i][0], ranges[i][1]);
	}
	table_fini(&t);
}

static void test_descriptor_holds_the_bytes(void **state)
{
	struct table t;
	const struct element *other;

	(void)state;
	make(&t);
	at(&t, 1)->b = 42;
	other = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, t.fd, 0);
	assert_ptr_not_equal(other, MAP_FAILED);
	assert_int_equal(other[1].b, 42);
	munmap((void *)other, PAGE_BYTES);
	table_fini(&t);
}

static void test_fini_of_nothing(void **state)
{
	struct table zeroed = { 0 }, t;

	(void)state;
	table_fini(&zeroed);		/* must not close descriptor 0 */
	assert_true(fcntl(0, F_GETFD) >= 0 || errno == EBADF);
	make(&t);
	table_fini(&t);
	table_fini(&t);
	assert_int_equal(t.fd, -1);
	assert_int_equal(table_memory_bytes(&t), 0);
}

static void test_failures(void **state)
{
	struct rlimit before, none;
	struct table t;
	int next, again;

	(void)state;
	next = dup(2);
	close(next);
	/* 2^61 bytes: no address space for that. */
	assert_true(table_init(&t, "memd-test", 1, (size_t)1 << 61) < 0);
	table_fini(&t);
	again = dup(2);
	assert_int_equal(next, again);	/* nothing stayed open */
	close(again);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(table_init(&t, "memd-test", 1, 1), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeroed_and_sparse),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_descriptor_holds_the_bytes),
		cmocka_unit_test(test_fini_of_nothing),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
