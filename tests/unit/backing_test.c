/* SPDX-License-Identifier: MIT */
/* Proves that memory which fails while it is captured costs what it contained,
 * and nothing else: the page is told to be lost, its neighbours have their
 * bytes, and memd goes on; and that a kernel which loses writes in a capture is
 * found out.  The kernel's word for it comes from a read(), splice() and
 * fallocate() of our own in place of the C library's. */
#include "daemon/backing/backing.h"

#include "daemon/backing/self_test.h"
#include "tests/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	UNITS = 64, BYTES = UNITS * PAGER_UNIT_BYTES,
	MOST = 512, MOST_BYTES = MOST * PAGER_UNIT_BYTES,	/* at once */
};

/* What the next read that comes to this unit says; 0: nothing is wrong. */
static struct {
	int error;
	size_t good_bytes;		/* read well before it */
	bool breaks_skip;		/* nor can it be moved out */
} fault;

ssize_t __real_read(int fd, void *to, size_t length);
ssize_t __wrap_read(int fd, void *to, size_t length);
ssize_t __real_splice(int from, off_t *from_at, int to, off_t *to_at,
		      size_t length, unsigned flags);
ssize_t __wrap_splice(int from, off_t *from_at, int to, off_t *to_at,
		      size_t length, unsigned flags);

ssize_t __wrap_read(int fd, void *to, size_t length)
{
	ssize_t n;

	if (fault.error == 0)
		return __real_read(fd, to, length);
	if (fault.good_bytes == 0) {
		errno = fault.error;
		fault.error = 0;
		return -1;
	}
	n = __real_read(fd, to, length < fault.good_bytes ? length :
							    fault.good_bytes);
	if (n > 0)
		fault.good_bytes -= (size_t)n;
	return n;
}

/* What a kernel may do that memd cannot use. */
static struct {
	bool copies_in_splice;
	bool keeps_in_punch;
} bad_kernel;

static ssize_t splice_copy(int from, off_t at, int to, size_t length)
{
	char *bytes = malloc(length);
	ssize_t n = bytes != NULL ? pread(from, bytes, length, at) : -1;

	if (n > 0)
		n = write(to, bytes, (size_t)n);
	free(bytes);
	return n;
}

int __real_fallocate(int fd, int mode, off_t offset, off_t length);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t length);

static unsigned punch_count;		/* of this process */

int __wrap_fallocate(int fd, int mode, off_t offset, off_t length)
{
	punch_count++;
	return bad_kernel.keeps_in_punch ? 0 :
		__real_fallocate(fd, mode, offset, length);
}

/* Out of a pipe: there is no offset. */
ssize_t __wrap_splice(int from, off_t *from_at, int to, off_t *to_at,
		      size_t length, unsigned flags)
{
	if (from_at == NULL && fault.breaks_skip) {
		errno = EIO;
		return -1;
	}
	if (from_at != NULL && bad_kernel.copies_in_splice)
		return splice_copy(from, *from_at, to, length);
	return __real_splice(from, from_at, to, to_at, length, flags);
}

static int add_file(struct backing *b, segment_id id, uint64_t length,
		    const char *name)
{
	return backing_add(b, id, length, 0, name);
}

static struct backing *start(bool has_helpers)
{
	struct backing *b;
	int err = backing_create(2, has_helpers, &b);

	if (err != 0)
		skip_case("data files: %s", strerror(-err));
	assert_int_equal(add_file(b, 1, BYTES, "test"), 0);
	return b;
}

static uint8_t byte_of(unsigned unit)
{
	return (uint8_t)(unit + 1);
}

static void fill(struct backing *b)
{
	static uint8_t bytes[BYTES];

	for (unsigned i = 0; i < UNITS; i++)
		memset(bytes + (size_t)i * PAGER_UNIT_BYTES, byte_of(i),
		       PAGER_UNIT_BYTES);
	assert_int_equal(backing_install(b, 1, 0, UNITS, bytes), 0);
}

/* Capture all as two runs; units [lost, lost_end) of it are gone. */
static void capture(struct backing *b, uint64_t lost, uint64_t lost_end)
{
	static uint8_t to[BYTES];
	struct pager_capture run[2] = {
		{ .segment = 1, .unit = 0, .count = UNITS / 2, .to = to },
		{ .segment = 1, .unit = UNITS / 2, .count = UNITS / 2,
		  .to = to + BYTES / 2 },
	};

	memset(to, 0, sizeof(to));
	backing_capture(b, run, 2);
	for (unsigned i = 0; i < UNITS; i++) {
		const struct pager_capture *c = &run[i >= UNITS / 2];
		const uint8_t *at = to + (size_t)i * PAGER_UNIT_BYTES;
		bool is_lost = i >= c->lost && i < c->lost_end;

		assert_int_equal(c->error, 0);
		assert_int_equal(is_lost, i >= lost && i < lost_end);
		if (!is_lost) {
			assert_int_equal(at[0], byte_of(i));
			assert_int_equal(at[PAGER_UNIT_BYTES - 1], byte_of(i));
		}
	}
	assert_int_equal(backing_present_units(b, 1), 0);
}

static void failed_memory_loses_one_unit(void **state)
{
	static const int errors[] = { EIO, EHWPOISON, EFAULT, ENODATA };
	static const size_t good[] = { 0, 5 * PAGER_UNIT_BYTES,
				       5 * PAGER_UNIT_BYTES + 100,
				       (UNITS - 1) * PAGER_UNIT_BYTES };
	struct backing *b = start(false);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		for (size_t k = 0; k < ARRAY_SIZE(good); k++) {
			uint64_t unit = good[k] / PAGER_UNIT_BYTES;

			fill(b);
			fault.error = errors[i];
			fault.good_bytes = good[k];
			capture(b, unit, unit + 1);
			assert_int_equal(fault.error, 0);
			/* The next one finds nothing of that in its way. */
			fill(b);
			capture(b, 0, 0);
		}
	backing_destroy(b);
}

/* All pipes together are needed for as much as can be captured at once. */
static void capture_most(struct backing *b)
{
	static uint8_t bytes[MOST_BYTES], to[MOST_BYTES];
	struct pager_capture run = { .segment = 2, .count = MOST, .to = to };

	for (unsigned i = 0; i < MOST; i++)
		memset(bytes + (size_t)i * PAGER_UNIT_BYTES, byte_of(i),
		       PAGER_UNIT_BYTES);
	assert_int_equal(add_file(b, 2, MOST_BYTES, "most"), 0);
	assert_int_equal(backing_install(b, 2, 0, MOST, bytes), 0);
	backing_capture(b, &run, 1);
	assert_int_equal(run.error, 0);
	assert_int_equal(run.lost_end, 0);
	assert_memory_equal(to, bytes, MOST_BYTES);
}

/* What cannot even be moved out of the pipe takes along what is behind it, and
 * the pipe; another is made in its place. */
static void failed_memory_that_stays_in_the_pipe(void **state)
{
	struct backing *b = start(false);

	(void)state;
	fill(b);
	fault.error = EIO;
	fault.good_bytes = 40 * PAGER_UNIT_BYTES;
	fault.breaks_skip = true;
	capture(b, 40, UNITS);
	fault.breaks_skip = false;
	fill(b);
	capture(b, 0, 0);
	capture_most(b);
	backing_destroy(b);
}

/* A file that goes: what clients have put there behind memd's back is taken
 * out, but not by memd; and the page tables of a large one do not go in one
 * turn. */
static void a_file_goes_in_turns(void **state)
{
	enum { TURN = 1024, EXTRA = 5 * TURN };
	const uint64_t length = UINT64_C(1) << 40;
	uint8_t page[PAGER_UNIT_BYTES] = { 1 };
	struct backing *b = start(true);
	uint32_t budget = TURN;
	unsigned turns = 0;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(add_file(b, 2, length, "large"), 0);
	fd = dup(backing_fd(b, 2));
	assert_true(fd >= 0);
	for (uint64_t i = 0; i < EXTRA; i++)
		assert_int_equal(pwrite(fd, page, sizeof(page),
					(off_t)(i * PAGER_UNIT_BYTES)),
				 sizeof(page));
	punch_count = 0;
	while (!backing_shed(b, 2, &budget)) {
		assert_int_equal(budget, 0);
		budget = TURN;
		turns++;
	}
	assert_int_equal(punch_count, 0);
	assert_true(turns >= 1000);
	assert_int_equal(backing_fd(b, 2), -ENOENT);
	assert_int_equal(add_file(b, 2, BYTES, "again"), 0);
	do
		assert_int_equal(fstat(fd, &st), 0);
	while (st.st_blocks != 0);
	close(fd);
	backing_destroy(b);
}

static void the_self_test_knows_a_bad_kernel(void **state)
{
	(void)state;
	assert_int_equal(capture_self_test(), 0);
	bad_kernel.copies_in_splice = true;
	assert_int_equal(capture_self_test(), -ENOTSUP);
	bad_kernel.copies_in_splice = false;
	bad_kernel.keeps_in_punch = true;
	assert_int_equal(capture_self_test(), -ENOTSUP);
	bad_kernel.keeps_in_punch = false;
	assert_int_equal(capture_self_test(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failed_memory_loses_one_unit),
		cmocka_unit_test(failed_memory_that_stays_in_the_pipe),
		cmocka_unit_test(a_file_goes_in_turns),
		cmocka_unit_test(the_self_test_knows_a_bad_kernel),
	};

	return skip_exit_status(cmocka_run_group_tests(tests, NULL, NULL),
				ARRAY_SIZE(tests));
}
