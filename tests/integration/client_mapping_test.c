/* SPDX-License-Identifier: MIT */
/* Proves, on the kernel that runs it, what the library relies on when it maps
 * a data file: nothing is put into the file by mapping, locking or zapping;
 * CONTINUE maps what is there, in however many mappings, and tells holes from
 * foreign memory; a page that is poisoned, or covered where the kernel cannot
 * poison, gives SIGBUS and leaves its neighbours alone. */
#include "client/region/mapping.h"
#include "client/region/uffd.h"
#include "client/region/zap.h"
#include "tests/skip.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { UNITS = 64, LENGTH = UNITS * UFFD_UNIT_BYTES };

/* SIGBUS mode: without a thread that answers, a missing page must not hang
 * the test. */
static struct uffd uffd;
static struct region region;
static int file;

static int make_file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, LENGTH), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW),
			 0);
	return fd;
}

static int begin(void **state)
{
	(void)state;
	memset(&region, 0, sizeof(region));
	region.length = LENGTH;
	region.page_shift = 14;
	file = make_file();
	assert_int_equal(mapping_create(&region, file, uffd.fd), 0);
	assert_int_equal(region.start % 16384, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	mapping_destroy(&region, uffd.fd);
	close(file);
	return 0;
}

static blkcnt_t blocks(void)
{
	struct stat st;

	assert_int_equal(fstat(file, &st), 0);
	return st.st_blocks;
}

/* Another mapping of the file, which may fill it. */
static void install(unsigned unit, uint8_t byte)
{
	uint8_t bytes[UFFD_UNIT_BYTES];

	memset(bytes, byte, sizeof(bytes));
	assert_int_equal(pwrite(file, bytes, sizeof(bytes),
				(off_t)unit * UFFD_UNIT_BYTES), sizeof(bytes));
}

static uintptr_t at(unsigned unit)
{
	return region.start + unit * (uintptr_t)UFFD_UNIT_BYTES;
}

static sigjmp_buf back;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

/* The byte there, or -1: SIGBUS. */
static int look(unsigned unit)
{
	struct sigaction sa = { .sa_handler = on_sigbus }, before;
	volatile int byte = -1;

	sigaction(SIGBUS, &sa, &before);
	if (sigsetjmp(back, 1) == 0)
		byte = *(volatile uint8_t *)at(unit);
	sigaction(SIGBUS, &before, NULL);
	return byte;
}

static enum uffd_outcome map_units(unsigned first, unsigned count,
				   unsigned want)
{
	return uffd_map(uffd.fd, at(first), count * (size_t)UFFD_UNIT_BYTES,
			at(want), UFFD_UNIT_BYTES);
}

/* The outcome for all of them. */
static enum uffd_outcome map_range(unsigned first, unsigned count)
{
	size_t length = count * (size_t)UFFD_UNIT_BYTES;

	return uffd_map(uffd.fd, at(first), length, at(first), length);
}

static void zap_now(uintptr_t start, size_t length)
{
	struct zap z = { .count = 0 };

	zap_add(&z, start, length);
	zap_flush(&z);
}

static void mapping_puts_nothing_in(void **state)
{
	(void)state;
	assert_int_equal(blocks(), 0);
	for (unsigned i = 0; i < UNITS; i++)
		assert_int_equal(look(i), -1);
	(void)mlock((void *)region.start, LENGTH);
	(void)munlock((void *)region.start, LENGTH);
	zap_now(region.start, LENGTH);
	assert_int_equal(blocks(), 0);
}

static void holes_are_skipped(void **state)
{
	(void)state;
	for (unsigned i = 0; i < UNITS; i += 3)
		install(i, (uint8_t)(i + 1));
	assert_int_equal(map_units(0, UNITS, 3), UFFD_MAPPED);
	/* (With huge pages in shared memory, pwrite() fills more.) */
	if (blocks() == (UNITS + 2) / 3 * 8) {
		assert_int_equal(map_units(0, UNITS, 4), UFFD_MISSING);
		assert_int_equal(look(4), -1);
	}
	for (unsigned i = 0; i < UNITS; i += 3)
		assert_int_equal(look(i), i + 1);
	zap_now(region.start, LENGTH);
	assert_int_equal(look(3), -1);
	assert_int_equal(map_units(3, 1, 3), UFFD_MAPPED);
	assert_int_equal(map_units(3, 1, 3), UFFD_MAPPED);
	assert_int_equal(look(3), 4);
}

static void what_is_not_ours_is_told(void **state)
{
	uintptr_t page = at(8);

	(void)state;
	install(8, 1);
	assert_true(mmap((void *)page, UFFD_UNIT_BYTES, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    (void *)page);
	assert_int_equal(map_units(8, 1, 8), UFFD_FOREIGN);
	assert_int_equal(uffd_map(file, page, UFFD_UNIT_BYTES, page,
				  UFFD_UNIT_BYTES), UFFD_UNUSABLE);
	assert_int_equal(uffd_map(-1, page, UFFD_UNIT_BYTES, page,
				  UFFD_UNIT_BYTES), UFFD_UNUSABLE);
}

static void poison(void **state)
{
	(void)state;
	if (!uffd.can_poison)
		skip_case("no UFFDIO_POISON in this kernel");
	install(4, 5);
	install(7, 8);
	assert_int_equal(map_units(4, 4, 4), UFFD_MAPPED);
	zap_now(at(4), 2 * UFFD_UNIT_BYTES);
	assert_int_equal(uffd_poison(uffd.fd, at(4), 2 * UFFD_UNIT_BYTES), 2);
	assert_int_equal(uffd_poison(uffd.fd, at(4), 2 * UFFD_UNIT_BYTES), 0);
	assert_int_equal(look(4), -1);
	assert_int_equal(look(5), -1);
	assert_int_equal(look(7), 8);
	/* Zapping takes it away: the page is asked for again. */
	zap_now(at(4), UFFD_UNIT_BYTES);
	assert_int_equal(map_units(4, 1, 4), UFFD_MAPPED);
	assert_int_equal(look(4), 5);
}

static void take_out(unsigned first, unsigned count)
{
	assert_int_equal(fallocate(file,
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   (off_t)first * UFFD_UNIT_BYTES,
				   (off_t)count * UFFD_UNIT_BYTES),
			 0);
}

static bool is_covered(unsigned unit)
{
	return (unit >= 16 && unit < 20) || unit == 22;
}

static void cover(void **state)
{
	(void)state;
	for (unsigned i = 0; i < UNITS; i++)
		install(i, (uint8_t)(i + 1));
	assert_int_equal(map_units(0, UNITS, 0), UFFD_MAPPED);
	take_out(16, 4);
	take_out(22, 1);
	mapping_cover(&region, at(16), 8 * UFFD_UNIT_BYTES, uffd.fd);
	for (unsigned i = 0; i < UNITS; i++)
		assert_int_equal(look(i), is_covered(i) ? -1 : (int)i + 1);
	assert_int_equal(map_units(16, 1, 16), UFFD_FOREIGN);
	assert_int_equal(uffd_poison(uffd.fd, at(16), UFFD_UNIT_BYTES),
			 -ENOENT);
	/* Its borders are nobody else's business. */
	for (unsigned i = 0; i < UNITS; i++)
		if (!is_covered(i))
			zap_now(at(i), UFFD_UNIT_BYTES);
	assert_int_equal(map_units(0, UNITS, 60), UFFD_MAPPED);
	for (unsigned i = 0; i < UNITS; i++)
		assert_int_equal(look(i), is_covered(i) ? -1 : (int)i + 1);
}

/* What the program changes about a part of the region cuts it in two mappings
 * or three, which the kernel works on one at a time only. */
static void borders_are_crossed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < UNITS; i++)
		if (i < 40 || i >= 44)
			install(i, (uint8_t)(i + 1));
	for (unsigned i = 3; i < 30; i += 2)
		assert_int_equal(
			mprotect((void *)at(i), UFFD_UNIT_BYTES, PROT_READ), 0);
	assert_int_equal(munmap((void *)at(50), UFFD_UNIT_BYTES), 0);
	assert_int_equal(map_units(0, UNITS, 63), UFFD_MAPPED);
	for (unsigned i = 0; i < UNITS; i++)
		if (i != 50 && (i < 40 || i >= 44))
			assert_int_equal(look(i), i + 1);
	/* What is not ours says nothing about the rest. */
	assert_int_equal(map_range(48, 8), UFFD_MAPPED);
	assert_int_equal(map_range(50, 1), UFFD_FOREIGN);
	if (blocks() == (UNITS - 4) * 8) {
		assert_int_equal(map_range(38, 4), UFFD_MISSING);
		assert_int_equal(map_range(42, 10), UFFD_MISSING);
	}
	if (uffd.can_poison) {
		zap_now(at(2), 4 * UFFD_UNIT_BYTES);
		assert_int_equal(
			uffd_poison(uffd.fd, at(0), 8 * UFFD_UNIT_BYTES), 4);
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(look(i),
					 i < 2 || i >= 6 ? (int)i + 1 : -1);
	}
}

static void files_are_checked(void **state)
{
	struct region other = region;
	int same_size = make_file();

	(void)state;
	assert_true(mapping_is_of(&region, file));
	assert_false(mapping_is_of(&region, same_size));
	assert_false(mapping_is_of(&region, STDERR_FILENO));
	other.length = LENGTH * 2;
	assert_int_equal(mapping_create(&other, same_size, uffd.fd), -EPROTO);
	assert_int_equal(mapping_create(&other, uffd.fd, uffd.fd), -EPROTO);
	close(same_size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(mapping_puts_nothing_in, begin,
						end),
		cmocka_unit_test_setup_teardown(holes_are_skipped, begin, end),
		cmocka_unit_test_setup_teardown(what_is_not_ours_is_told, begin,
						end),
		cmocka_unit_test_setup_teardown(poison, begin, end),
		cmocka_unit_test_setup_teardown(cover, begin, end),
		cmocka_unit_test_setup_teardown(borders_are_crossed, begin,
						end),
		cmocka_unit_test_setup_teardown(files_are_checked, begin, end),
	};
	int err = uffd_open(true, &uffd);

	if (err != 0) {
		printf("skipped: userfaultfd: %s\n", strerror(-err));
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
