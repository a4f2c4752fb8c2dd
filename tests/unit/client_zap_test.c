/* SPDX-License-Identifier: MIT */
/* Proves that of many ranges exactly these are unmapped, whatever the kernel
 * can take at once and whatever the program has locked among them, and that
 * their bytes stay. */
#include "client/region/zap.h"
#include "common/checks.h"
#include "tests/skip.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGE = 4096, PAGES = 3 * ZAP_RANGES_MAX };

static uint8_t *memory;

static int begin(void **state)
{
	int fd = memfd_create("zap", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	/* Otherwise the kernel maps what is around a page as well. */
	assert_int_equal(madvise(memory, PAGES * PAGE, MADV_RANDOM), 0);
	close(fd);
	for (unsigned i = 0; i < PAGES; i++)
		memory[(size_t)i * PAGE] = (uint8_t)i;
	return 0;
}

static int end(void **state)
{
	(void)state;
	munmap(memory, PAGES * PAGE);
	return 0;
}

static bool is_mapped(unsigned page)
{
	uintptr_t number = (uintptr_t)memory / PAGE + page;
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, &entry, sizeof(entry), (off_t)number * 8),
			 sizeof(entry));
	close(fd);
	return entry >> 63;
}

/* mlock() does nothing under a sanitizer. */
static void lock(unsigned page)
{
	assert_int_equal(syscall(SYS_mlock, memory + (size_t)page * PAGE,
				 (size_t)PAGE), 0);
}

/* Every other page, all in one flush or more. */
static void zap_odd(struct zap *z)
{
	for (unsigned i = 1; i < PAGES; i += 2)
		zap_add(z, (uintptr_t)memory + (size_t)i * PAGE, PAGE);
	zap_flush(z);
	assert_int_equal(z->count, 0);
}

static void expect_odd_gone(const unsigned *locked, unsigned count)
{
	for (unsigned i = 0; i < PAGES; i++) {
		bool is_there = i % 2 == 0;

		for (unsigned k = 0; k < count; k++)
			is_there |= locked[k] == i;
		assert_int_equal(is_mapped(i), is_there);
	}
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(memory[(size_t)i * PAGE], (uint8_t)i);
}

static void these_and_no_others(void **state)
{
	struct zap z = { .count = 0 };

	(void)state;
	zap_odd(&z);
	expect_odd_gone(NULL, 0);
	zap_flush(&z);
	if (z.is_one_by_one)
		skip_case("this kernel unmaps one range at a time");
}

static void old_kernels_take_one(void **state)
{
	struct zap z = { .is_one_by_one = true };

	(void)state;
	zap_odd(&z);
	expect_odd_gone(NULL, 0);
}

/* The kernel stops at what is locked: the first, the last, two in a row. */
static void locked_ones_stay(void **state)
{
	static const unsigned locked[] = { 1, 51, 53, 127, PAGES - 1 };
	struct zap z = { .count = 0 }, other = { .is_one_by_one = true };
	bool takes_one;

	(void)state;
	zap_odd(&z);
	takes_one = z.is_one_by_one;
	for (unsigned i = 0; i < ARRAY_SIZE(locked); i++)
		lock(locked[i]);
	zap_odd(&z);
	assert_int_equal(z.is_one_by_one, takes_one);
	expect_odd_gone(locked, ARRAY_SIZE(locked));
	zap_odd(&other);
	expect_odd_gone(locked, ARRAY_SIZE(locked));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(these_and_no_others, begin,
						end),
		cmocka_unit_test_setup_teardown(old_kernels_take_one, begin,
						end),
		cmocka_unit_test_setup_teardown(locked_ones_stay, begin, end),
	};

	return skip_exit_status(cmocka_run_group_tests(tests, NULL, NULL),
				ARRAY_SIZE(tests));
}
