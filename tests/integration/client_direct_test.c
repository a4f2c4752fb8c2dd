/* SPDX-License-Identifier: MIT */
/* Proves what client/fault/direct.c promises (D1 ... D5), with the test as the
 * engine: a page that was asked for goes into its file and is mapped where it
 * was touched; nothing else does, be it another segment's, another page, one
 * that nobody waits for, or one of a read-only region; and a region is not
 * unmapped while something is being put into it, so that it cannot end up in
 * what is mapped there next. */
#include "client/client.h"
#include "client/region/mapping.h"
#include "tests/skip.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { UNITS = 16, LENGTH = UNITS * UFFD_UNIT_BYTES, SEGMENT = 7, PAGE = 5,
       CELL = 3 };

static struct memclient *mc;
static struct memd_engine_program program;
static struct region region;
static int file;
static uint8_t bytes[UFFD_UNIT_BYTES];

static int make_file(size_t length)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)length), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW),
			 0);
	return fd;
}

static void map(struct region *r, int fd, uint32_t segment, bool is_read_only)
{
	memset(r, 0, sizeof(*r));
	r->length = LENGTH;
	r->page_shift = 12;
	r->is_inline = true;
	r->is_read_only = is_read_only;
	assert_int_equal(mapping_create(r, fd, mc->inlines.uffd), 0);
	atomic_store(&r->segment, segment);
	atomic_store(&r->state, REGION_LIVE);
}

/* As a thread that waits for a page does. */
static void ask(const struct region *r)
{
	atomic_store(&mc->box.scratch[CELL].region, r);
	atomic_store(&mc->box.scratch[CELL].page, PAGE);
	atomic_store(&mc->box.shared->cell[CELL].state, CELL_ASKED);
}

static int begin(void **state)
{
	int fd = make_file(sizeof(struct mailbox));

	(void)state;
	mc = client_create();
	assert_non_null(mc);
	assert_int_equal(client_open_inline(mc), 0);
	assert_int_equal(box_open(&mc->box, fd, 1), 0);
	close(fd);
	program = direct_program(&mc->direct, mc->inlines.uffd);
	file = make_file(LENGTH);
	map(&region, file, SEGMENT, false);
	memset(bytes, 0xa5, sizeof(bytes));
	return 0;
}

static int end(void **state)
{
	(void)state;
	mapping_destroy(&region, mc->inlines.uffd);
	close(file);
	assert_int_equal(atomic_load(&mc->box.users), 0);
	assert_null(atomic_load(&mc->direct.busy));
	box_close(&mc->box);
	box_fini(&mc->box);
	client_leave(mc);
	client_destroy(mc);
	return 0;
}

static blkcnt_t blocks(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_blocks;
}

static struct memd_engine_page wanted(void)
{
	return (struct memd_engine_page){
		.cell = CELL,
		.segment = SEGMENT,
		.page = PAGE,
		.bytes = bytes,
		.length = sizeof(bytes),
		.uffd = program.uffd,
	};
}

static int install(const struct memd_engine_page *what)
{
	return program.install(program.ctx, what);
}

/* ---- what goes in */

static void a_page_goes_where_it_was_touched(void **state)
{
	const struct memd_engine_page what = wanted();
	const uint8_t *at = (const uint8_t *)region.start +
			    (size_t)PAGE * UFFD_UNIT_BYTES;
	unsigned char is_there = 0;

	(void)state;
	ask(&region);
	assert_int_equal(install(&what), 0);
	assert_int_equal(mc->box.scratch[CELL].is_coming, 1);
	/* It is mapped: nobody is there who would answer a fault. */
	assert_memory_equal(at, bytes, sizeof(bytes));
	assert_int_equal(blocks(file), UFFD_UNIT_BYTES / 512);
	assert_int_equal(mincore((void *)at, UFFD_UNIT_BYTES, &is_there), 0);
	assert_int_equal(is_there & 1, 1);
}

static void what_is_there_stays(void **state)
{
	const struct memd_engine_page what = wanted();
	uint8_t before[UFFD_UNIT_BYTES], after[UFFD_UNIT_BYTES];
	const off_t at = (off_t)PAGE * UFFD_UNIT_BYTES;

	(void)state;
	memset(before, 0x11, sizeof(before));
	assert_int_equal(pwrite(file, before, sizeof(before), at),
			 sizeof(before));
	ask(&region);
	assert_int_equal(install(&what), -EEXIST);
	assert_int_equal(pread(file, after, sizeof(after), at),
			 sizeof(after));
	assert_memory_equal(after, before, sizeof(after));
}

static void expect_nothing(const struct memd_engine_page *what)
{
	assert_true(install(what) < 0);
	assert_int_equal(blocks(file), 0);
	assert_null(atomic_load(&mc->direct.busy));
}

static void only_what_was_asked_for_goes_in(void **state)
{
	struct memd_engine_page what = wanted();

	(void)state;
	ask(&region);
	what.segment = SEGMENT + 1;
	expect_nothing(&what);
	what = wanted();
	what.page = PAGE + 1;
	expect_nothing(&what);
	what = wanted();
	what.length = 2 * sizeof(bytes);
	expect_nothing(&what);
	what = wanted();
	what.cell = MAILBOX_CELLS;
	expect_nothing(&what);
	what = wanted();
	atomic_store(&mc->box.scratch[CELL].page, UNITS);
	what.page = UNITS;
	expect_nothing(&what);
}

static void nothing_goes_where_nobody_waits(void **state)
{
	static const enum mailbox_state others[] = {
		CELL_FREE, CELL_TAKEN, CELL_ANSWERED, CELL_LEFT, CELL_MAPPED,
	};
	const struct memd_engine_page what = wanted();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		ask(&region);
		atomic_store(&mc->box.shared->cell[CELL].state, others[i]);
		expect_nothing(&what);
	}
	ask(NULL);		/* the library's thread */
	expect_nothing(&what);
	ask(&region);
	box_close(&mc->box);	/* the session is over */
	expect_nothing(&what);
}

static void only_live_regions_get_something(void **state)
{
	static const enum region_state others[] = {
		REGION_FREE, REGION_JOINING, REGION_LOST,
	};
	const struct memd_engine_page what = wanted();

	(void)state;
	ask(&region);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		atomic_store(&region.state, others[i]);
		expect_nothing(&what);
	}
	atomic_store(&region.state, REGION_LIVE);
	direct_withdraw(&mc->direct, &region);
	expect_nothing(&what);
}

/* Into a private mapping it would go, but not into the file. */
static void read_only_regions_get_nothing(void **state)
{
	const struct memd_engine_page what = wanted();
	struct region r;

	(void)state;
	map(&r, file, SEGMENT, true);
	ask(&r);
	expect_nothing(&what);
	mapping_destroy(&r, mc->inlines.uffd);
}

/* ---- while it is unmapped, D1 */

static struct memd_engine_page stuck;

static void *install_stuck(void *arg)
{
	(void)arg;
	(void)install(&stuck);
	return NULL;
}

static struct region next;
static int next_file;
static _Atomic bool is_next_mapped;

static void map_where(struct region *r, int fd, uintptr_t start)
{
	void *at = mmap((void *)start, LENGTH, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);

	assert_true((uintptr_t)at == start);
	assert_int_equal(uffd_register(mc->inlines.uffd, start, LENGTH, true),
			 0);
	*r = (struct region){ .start = start, .length = LENGTH,
			      .page_shift = 12 };
}

static void *unmap_and_map(void *arg)
{
	(void)arg;
	direct_withdraw(&mc->direct, &region);
	mapping_destroy(&region, mc->inlines.uffd);
	map_where(&next, next_file, region.start);
	atomic_store(&is_next_mapped, true);
	return NULL;
}

/* Page-fault messages come when the engine's system call needs its bytes, and
 * has let go of all locks of the address space. */
static void wait_for_fault(int uffd)
{
	struct uffd_fault fault;
	bool is_moved;

	while (uffd_read(uffd, &fault, 1, &is_moved) == 0)
		sched_yield();
}

/* Long enough for whoever does not wait to be noticed; who does is not hurt by
 * its being short. */
static void give_it_time(void)
{
	const struct timespec moment = { .tv_nsec = 2000000 };

	for (unsigned i = 0; i < 50 && !atomic_load(&is_next_mapped); i++)
		nanosleep(&moment, NULL);
}

static void what_is_mapped_next_gets_nothing(void **state)
{
	pthread_t engine, library;
	struct uffd slow;
	void *source;

	(void)state;
	assert_int_equal(uffd_open(false, &slow), 0);
	if (slow.is_user_only) {
		close(slow.fd);
		skip_case("system calls may not wait for userfaultfd");
	}
	source = mapping_create_bells(UFFD_UNIT_BYTES, slow.fd);
	assert_non_null(source);
	next_file = make_file(LENGTH);
	atomic_store(&is_next_mapped, false);
	ask(&region);
	stuck = wanted();
	stuck.bytes = source;
	assert_int_equal(pthread_create(&engine, NULL, install_stuck, NULL),
			 0);
	wait_for_fault(slow.fd);
	assert_int_equal(pthread_create(&library, NULL, unmap_and_map, NULL),
			 0);
	give_it_time();
	uffd_zero(slow.fd, (uintptr_t)source);
	pthread_join(engine, NULL);
	pthread_join(library, NULL);
	assert_int_equal(blocks(next_file), 0);
	munmap(source, UFFD_UNIT_BYTES);
	close(slow.fd);
	region = next;
	close(file);
	file = next_file;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_goes_where_it_was_touched),
		TEST(what_is_there_stays),
		TEST(only_what_was_asked_for_goes_in),
		TEST(nothing_goes_where_nobody_waits),
		TEST(only_live_regions_get_something),
		TEST(read_only_regions_get_nothing),
		TEST(what_is_mapped_next_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
