/* SPDX-License-Identifier: MIT */
/* Proves what client/fault/area_files.h promises (R1 ... R4), with the test in
 * the place of the library's thread: a slot is read from the file that has it,
 * which is fetched when it is needed; a file that has ended is closed; whatever
 * the program does with the numbers gives an error or other bytes, and none of
 * the program's own is closed or read from; what does not fit is left out; a
 * child of a fork has none; and no descriptor is left. */
#include "client/fault/area_files.h"
#include "tests/open_descriptors.h"

#include "client/link/forks.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { SLOT_BYTES = 4096, SLOTS = 8 };

static struct area_files af;
static struct area_hook hook;	/* the library's */
static unsigned before;		/* descriptors */

static int begin(void **state)
{
	(void)state;
	before = open_descriptors();
	memset(&af, 0, sizeof(af));
	assert_int_equal(area_files_init(&af), 0);
	hook = af.hook;
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_false(atomic_load(&af.is_fetching));
	area_files_fini(&af);
	assert_int_equal(open_descriptors(), before);
	return 0;
}

/* Slot i of a file begins with value + i. */
static int make_file(uint64_t value)
{
	int fd = memfd_create("swap", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SLOTS * SLOT_BYTES), 0);
	for (unsigned i = 0; i < SLOTS; i++, value++)
		assert_int_equal(pwrite(fd, &value, sizeof(value),
					i * SLOT_BYTES), sizeof(value));
	return fd;
}

static void hang(uint32_t first, uint64_t value)
{
	int fd = make_file(value);

	area_files_hang(&af, &hook, first, SLOTS, fd);
	close(fd);
}

static void hang_end(uint32_t first)
{
	area_files_hang(&af, &hook, first, 0, -1);
}

static int read_slot(uint32_t slot, uint64_t *ret_value)
{
	static __thread uint8_t bytes[SLOT_BYTES];
	int err;

	memset(bytes, 0xee, sizeof(bytes));
	err = area_files_read(&af, slot, bytes);
	memcpy(ret_value, bytes, sizeof(*ret_value));
	return err;
}

static void expect_slot(uint32_t slot, uint64_t value)
{
	uint64_t got;

	assert_int_equal(read_slot(slot, &got), 0);
	assert_int_equal(got, value);
}

static void expect_error(uint32_t slot, int err)
{
	uint64_t got;

	assert_int_equal(read_slot(slot, &got), err);
}

/* Have all that hangs fetched. */
static void fetch(void)
{
	expect_error(UINT32_MAX, -ENOENT);
	assert_int_equal(atomic_load(&af.hung), 0);
}

static int number_of(uint32_t first)
{
	for (unsigned i = 0; i < atomic_load(&af.used); i++)
		if (atomic_load(&af.entry[i].count) != 0 &&
		    atomic_load(&af.entry[i].first) == first)
			return atomic_load(&af.entry[i].fd);
	fail_msg("no file begins with slot %u", first);
	return -1;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* ---- files come and go */

static void without_files_nothing_is_read(void **state)
{
	(void)state;
	expect_error(0, -ENOENT);
	hang_end(0);
	expect_error(0, -ENOENT);
}

static void a_file_is_fetched_when_it_is_needed(void **state)
{
	(void)state;
	hang(0, 1000);
	hang(100, 2000);
	assert_int_equal(atomic_load(&af.hung), 2);
	assert_int_equal(atomic_load(&af.used), 0);
	expect_slot(3, 1003);
	assert_int_equal(atomic_load(&af.hung), 0);
	for (unsigned i = 0; i < SLOTS; i++) {
		expect_slot(i, 1000 + i);
		expect_slot(100 + i, 2000 + i);
	}
	expect_error(SLOTS, -ENOENT);
	expect_error(99, -ENOENT);
	expect_error(100 + SLOTS, -ENOENT);
	expect_error(UINT32_MAX, -ENOENT);
}

static void a_file_that_has_ended_is_closed(void **state)
{
	int number;

	(void)state;
	hang(0, 1000);
	hang(100, 2000);
	expect_slot(3, 1003);
	number = number_of(0);
	hang_end(0);
	/* Nobody reads once more what has ended. */
	expect_error(3, -ENOENT);
	assert_false(is_open(number));
	expect_slot(103, 2003);
	/* The slots are another file's now, in the same place. */
	hang(0, 3000);
	expect_slot(3, 3003);
	assert_int_equal(atomic_load(&af.used), 2);
	hang_end(0);
	hang_end(100);
	hang_end(200);
	fetch();
	assert_int_equal(open_descriptors(), before + 2);
}

static void a_file_replaces_another_one(void **state)
{
	(void)state;
	hang(0, 1000);
	expect_slot(3, 1003);
	hang(0, 2000);
	fetch();
	expect_slot(3, 2003);
	assert_int_equal(atomic_load(&af.used), 1);
	assert_int_equal(open_descriptors(), before + 3);
	/* And one that was never fetched, between others. */
	hang(100, 3000);
	hang_end(100);
	hang(200, 4000);
	hang_end(300);
	hang_end(400);
	hang(300, 5000);
	fetch();
	expect_error(103, -ENOENT);
	expect_slot(203, 4003);
	expect_slot(303, 5003);
}

static void a_file_may_be_short(void **state)
{
	int fd = make_file(1000);

	(void)state;
	area_files_hang(&af, &hook, 0, SLOTS + 2, fd);
	expect_slot(SLOTS - 1, 1000 + SLOTS - 1);
	expect_error(SLOTS, -EIO);
	assert_int_equal(ftruncate(fd, SLOT_BYTES / 2), 0);
	expect_error(0, -EIO);
	close(fd);
}

/* ---- what does not fit */

static rlim_t set_descriptor_limit(rlim_t count)
{
	struct rlimit limit;
	rlim_t old;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	old = limit.rlim_cur;
	limit.rlim_cur = count < limit.rlim_max ? count : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return old;
}

static void what_does_not_fit_on_the_hook_is_left_out(void **state)
{
	/* The daemon may give 64 at once. */
	enum { MANY = 3000, AT_ONCE = 64 };
	int fd = make_file(1000);
	uint32_t hung;
	unsigned count;

	(void)state;
	/* The kernel counts what is under way, too. */
	set_descriptor_limit(RLIM_INFINITY);
	for (uint32_t i = 0; i < MANY; i++)
		area_files_hang(&af, &hook, i * SLOTS, SLOTS, fd);
	close(fd);
	hung = atomic_load(&af.hung);
	assert_in_range(hung, AT_ONCE, MANY - 1);
	fetch();
	count = hung < AREA_FILES_MAX ? hung : AREA_FILES_MAX;
	assert_int_equal(atomic_load(&af.used), count);
	for (uint32_t i = 0; i < count; i++)
		expect_slot(i * SLOTS + 1, 1001);
	expect_error(count * SLOTS, -ENOENT);
	assert_int_equal(open_descriptors(), before + 2 + count);
	hang(UINT32_C(1) << 30, 5000);
	fetch();
	if (count < AREA_FILES_MAX)
		expect_slot(UINT32_C(1) << 30, 5000);
}

static void fill_table(void)
{
	int fd = make_file(1000);

	set_descriptor_limit(RLIM_INFINITY);
	for (uint32_t i = 0; i < AREA_FILES_MAX; i++) {
		area_files_hang(&af, &hook, i * SLOTS, SLOTS, fd);
		fetch();
	}
	close(fd);
	assert_int_equal(atomic_load(&af.used), AREA_FILES_MAX);
}

static void there_are_so_many_entries(void **state)
{
	unsigned count;

	(void)state;
	fill_table();
	count = open_descriptors();
	hang(AREA_FILES_MAX * SLOTS, 2000);
	fetch();
	expect_error(AREA_FILES_MAX * SLOTS, -ENOENT);
	assert_int_equal(open_descriptors(), count);
	for (uint32_t i = 0; i < AREA_FILES_MAX; i++)
		expect_slot(i * SLOTS + 2, 1002);
	/* One ends: there is room. */
	hang_end(77 * SLOTS);
	hang(AREA_FILES_MAX * SLOTS, 2000);
	expect_slot(AREA_FILES_MAX * SLOTS, 2000);
	expect_error(77 * SLOTS, -ENOENT);
	assert_int_equal(open_descriptors(), count);
}

static void without_a_number_it_is_left_out(void **state)
{
	rlim_t old;

	(void)state;
	hang(0, 1000);
	old = set_descriptor_limit(0);
	expect_error(3, -ENOENT);
	(void)set_descriptor_limit(old);
	expect_error(3, -ENOENT);
	assert_int_equal(atomic_load(&af.hung), 0);
	hang(0, 2000);
	expect_slot(3, 2003);
}

static void no_number_is_a_standard_one(void **state)
{
	int saved = dup(STDIN_FILENO);

	(void)state;
	area_files_fini(&af);
	close(STDIN_FILENO);
	memset(&af, 0, sizeof(af));
	assert_int_equal(area_files_init(&af), 0);
	hook = af.hook;
	assert_true(hook.fd[0] > STDERR_FILENO && hook.fd[1] > STDERR_FILENO);
	assert_false(is_open(STDIN_FILENO));
	/* The file is not 0 itself. */
	assert_int_equal(dup2(hook.fd[0], STDIN_FILENO), STDIN_FILENO);
	hang(0, 1000);
	close(STDIN_FILENO);
	expect_slot(3, 1003);
	assert_true(number_of(0) > STDERR_FILENO);
	assert_false(is_open(STDIN_FILENO));
	assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
	close(saved);
}

/* ---- what the program does with the numbers */

static void a_closed_number_is_an_error(void **state)
{
	(void)state;
	hang(0, 1000);
	hang(100, 2000);
	fetch();
	close(number_of(0));
	expect_error(3, -EBADF);
	expect_slot(103, 2003);
	hang(0, 3000);
	expect_slot(3, 3003);
}

static void replace(int number, int fd)
{
	assert_int_equal(dup3(fd, number, O_CLOEXEC), number);
}

/* A file gives other bytes, which the checksum shows.  None is closed. */
static void a_number_that_is_used_again_is_left_alone(void **state)
{
	int file = make_file(7000), directory = open("/", O_RDONLY | O_CLOEXEC);
	int fds[2], number[4];
	char byte;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	for (unsigned i = 0; i < 4; i++)
		hang(i * 100, i * 1000);
	fetch();
	for (unsigned i = 0; i < 4; i++)
		number[i] = number_of(i * 100);
	replace(number[0], file);
	replace(number[1], directory);
	replace(number[2], fds[0]);
	replace(number[3], fds[1]);
	expect_slot(3, 7003);
	expect_error(103, -EISDIR);
	expect_error(203, -ESPIPE);
	expect_error(303, -ESPIPE);
	hang_end(0);
	hang(100, 2000);
	fetch();
	expect_slot(103, 2003);
	area_files_fini(&af);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(is_open(number[i]));
		close(number[i]);
	}
	/* Nor was anything read from it. */
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(file);
	close(directory);
	close(fds[0]);
	close(fds[1]);
}

static void nothing_is_fetched_from_the_programs_socket(void **state)
{
	char byte = 0;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
				    SOCK_NONBLOCK, 0, fds), 0);
	assert_true(area_files_is_hook(&hook));
	hang(0, 1000);
	replace(hook.fd[0], fds[0]);
	assert_int_equal(send(fds[1], "x", 1, 0), 1);
	expect_error(3, -ENOENT);
	assert_false(area_files_is_hook(&hook));
	area_files_fini(&af);
	assert_int_equal(recv(hook.fd[0], &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
	close(hook.fd[0]);
	close(fds[0]);
	close(fds[1]);
}

/* ---- others */

static void the_other_end_is_parted_with(void **state)
{
	int copy = dup(hook.fd[1]);

	(void)state;
	area_files_part(&af);
	assert_false(area_files_is_hook(&hook));
	/* In the library's table. */
	hook.fd[1] = copy;
	hang(0, 1000);
	expect_slot(3, 1003);
	close(copy);
}

/* As the child of a vfork() sees it, which has the memory. */
static void another_process_fetches_nothing(void **state)
{
	(void)state;
	hang(0, 1000);
	af.pid++;
	expect_error(3, -ENOENT);
	assert_int_equal(atomic_load(&af.hung), 1);
	af.pid--;
	expect_slot(3, 1003);
	af.pid++;
	expect_slot(3, 1003);
	af.pid--;
}

/* Another one fetches: who does without is not kept. */
static void nobody_waits_for_a_fetch(void **state)
{
	(void)state;
	hang(0, 1000);
	atomic_store(&af.is_fetching, true);
	expect_error(3, -ENOENT);
	assert_true(atomic_load(&af.is_fetching));
	atomic_store(&af.is_fetching, false);
	expect_slot(3, 1003);
}

static void drop(void *ctx)
{
	area_files_fini(ctx);
}

/* F3 in forks.h. */
static void a_child_has_none(void **state)
{
	struct forks_entry entry = { .drop = drop, .ctx = &af };
	sigset_t mask;
	int status;
	pid_t pid;

	(void)state;
	hang(0, 1000);
	fetch();
	hang(100, 2000);
	forks_lock(&mask);
	forks_add(&entry);
	forks_unlock(&mask);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uint64_t value;
		bool has_none = read_slot(3, &value) == -ENOENT &&
				read_slot(103, &value) == -ENOENT &&
				open_descriptors() == before;

		_exit(has_none ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	forks_lock(&mask);
	forks_remove(&entry);
	forks_unlock(&mask);
	expect_slot(3, 1003);
	expect_slot(103, 2003);
}

static _Atomic bool has_returned;

static void *read_cancelled(void *arg)
{
	uint64_t value;

	(void)arg;
	pthread_cancel(pthread_self());
	(void)read_slot(UINT32_MAX, &value);
	atomic_store(&has_returned, true);
	pthread_testcancel();
	return NULL;
}

/* A thread that is being cancelled may fault.  It must not end in the middle:
 * a fork would wait for the end of its fetch. */
static void no_thread_ends_in_a_fetch(void **state)
{
	pthread_t thread;
	void *result;

	(void)state;
	fill_table();
	/* One that is fetched, and one for which there is no room. */
	hang_end(0);
	hang(AREA_FILES_MAX * SLOTS, 2000);
	hang((AREA_FILES_MAX + 1) * SLOTS, 3000);
	atomic_store(&has_returned, false);
	assert_int_equal(pthread_create(&thread, NULL, read_cancelled, NULL),
			 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_true(atomic_load(&has_returned));
	assert_int_equal(atomic_load(&af.hung), 0);
}

enum { THREADS = 3, ROUNDS = 2000 };
static _Atomic bool is_over;

static void *read_on(void *arg)
{
	uint64_t value, *count = arg;

	for (uint32_t slot = 0; !atomic_load(&is_over); slot++)
		*count += read_slot(slot % (4 * SLOTS), &value) == 0;
	return NULL;
}

/* What they read is for the checksum to judge. */
static void threads_read_while_files_change(void **state)
{
	pthread_t thread[THREADS];
	uint64_t count[THREADS] = { 0 };

	(void)state;
	atomic_store(&is_over, false);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, read_on,
						&count[i]), 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		hang(i % 4 * SLOTS, i);
		if (i % 3 == 0)
			hang_end((i + 2) % 4 * SLOTS);
	}
	atomic_store(&is_over, true);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	fetch();
	for (uint32_t i = 0; i < 4; i++)
		hang(i * SLOTS, i * 1000);
	fetch();
	for (uint32_t i = 0; i < 4; i++)
		expect_slot(i * SLOTS + 3, i * 1000 + 3);
	assert_int_equal(open_descriptors(), before + 2 + 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_files_nothing_is_read),
		TEST(a_file_is_fetched_when_it_is_needed),
		TEST(a_file_that_has_ended_is_closed),
		TEST(a_file_replaces_another_one),
		TEST(a_file_may_be_short),
		TEST(what_does_not_fit_on_the_hook_is_left_out),
		TEST(there_are_so_many_entries),
		TEST(without_a_number_it_is_left_out),
		TEST(no_number_is_a_standard_one),
		TEST(a_closed_number_is_an_error),
		TEST(a_number_that_is_used_again_is_left_alone),
		TEST(nothing_is_fetched_from_the_programs_socket),
		TEST(the_other_end_is_parted_with),
		TEST(another_process_fetches_nothing),
		TEST(nobody_waits_for_a_fetch),
		TEST(a_child_has_none),
		TEST(no_thread_ends_in_a_fetch),
		TEST(threads_read_while_files_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
