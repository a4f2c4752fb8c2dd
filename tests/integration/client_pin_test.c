/* SPDX-License-Identifier: MIT */
/* Proves that pages which memclient_pin() has pinned can be given to the kernel
 * until they are unpinned, whatever else is paged and aged: read(2), write(2),
 * direct I/O and futexes find them in both fault modes, with small and large
 * pages, in regions attached for reading, and where the process has but the
 * userfaultfd that serves no system calls; that locks there work, and robust
 * mutexes are handed on when their owner ends or is killed; and that a pin that
 * cannot be mapped fails. */
#include "tests/integration/client_helpers.h"
#include "tests/integration/testmemd.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

enum {
	PAGE = 4096,
	LENGTH = 2 * 2097152,
	PRESSURE = 96 << 20, /* of a pool of 64 MiB */
	SOMEBODY = 12345,
};

static struct testmemd memd;
static struct fake real, fake; /* real: its address only */

static const struct kind {
	uint32_t page_size, fault_mode;
} kinds[] = {
	{4096, MEMCLIENT_FAULT_THREAD},	   {4096, MEMCLIENT_FAULT_INLINE},
	{65536, MEMCLIENT_FAULT_THREAD},   {65536, MEMCLIENT_FAULT_INLINE},
	{2097152, MEMCLIENT_FAULT_THREAD}, {2097152, MEMCLIENT_FAULT_INLINE},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* ---- what the kernel is given */

/* Every page of it goes through a pipe; what may be written also comes back. */
static void use_pipe(uint8_t *p, size_t length, int is_writable)
{
	uint8_t *copy = malloc(length);
	int pipes[2];

	REQUIRE(copy != NULL && pipe(pipes) == 0);
	for (size_t at = 0; at < length; at += PAGE) {
		if (write(pipes[1], p + at, PAGE) != PAGE)
			FAIL("write: %s\n", strerror(errno));
		REQUIRE(read(pipes[0], copy + at, PAGE) == PAGE);
	}
	verify(copy, length);
	for (size_t at = 0; is_writable && at < length; at += PAGE) {
		REQUIRE(write(pipes[1], copy + at, PAGE) == PAGE);
		if (read(pipes[0], p + at, PAGE) != PAGE)
			FAIL("read: %s\n", strerror(errno));
	}
	verify(p, length);
	close(pipes[0]);
	close(pipes[1]);
	free(copy);
}

/* EFAULT where the word is missing; EAGAIN as none of fill() is so. */
static void use_futexes(uint8_t *p, size_t length)
{
	for (size_t at = 0; at < length; at += PAGE) {
		REQUIRE(syscall(SYS_futex, p + at, FUTEX_WAIT, UINT32_MAX, NULL,
				NULL, 0) == -1 &&
			errno == EAGAIN);
		REQUIRE(syscall(SYS_futex, p + at, FUTEX_WAKE, 1, NULL, NULL,
				0) == 0);
	}
}

static int open_direct(void)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir != NULL ? dir : "/var/tmp",
		      O_TMPFILE | O_RDWR | O_DIRECT, 0600);

	/* Not every file system has it. */
	return fd;
}

static void use_direct_io(uint8_t *p, size_t length, int is_writable)
{
	int fd = open_direct();

	if (fd < 0)
		return;
	REQUIRE(pwrite(fd, p, length, 0) == (ssize_t)length);
	if (is_writable)
		REQUIRE(pread(fd, p, length, 0) == (ssize_t)length);
	verify(p, length);
	close(fd);
}

static void use(uint8_t *p, size_t length, int is_writable)
{
	use_pipe(p, length, is_writable);
	use_futexes(p, length);
	use_direct_io(p, length, is_writable);
}

/* Others page: what is not pinned is aged and leaves. */
static void press(struct memclient *mc)
{
	uint8_t *p = map(mc, PRESSURE, 0, 0);

	for (size_t at = 0; at < PRESSURE; at += PAGE)
		p[at] = 1;
	REQUIRE(memclient_unmap(mc, p) == 0);
}

static void page_out(struct memclient *mc, uint8_t *p)
{
	if (memclient_advise(mc, p, LENGTH, MEMCLIENT_ADVICE_PAGEOUT) != 0)
		FAIL("%s\n", memclient_error(mc));
}

static void pin(struct memclient *mc, uint8_t *p, size_t length)
{
	if (memclient_pin(mc, p, length) != 0)
		FAIL("%s\n", memclient_error(mc));
}

/* ---- system calls */

static void use_each_kind(void)
{
	for (size_t i = 0; i < KINDS; i++) {
		struct memclient *mc = open_client(&real, 60000);
		uint8_t *p = map(mc, LENGTH, kinds[i].page_size,
				 kinds[i].fault_mode);

		fill(p, LENGTH);
		page_out(mc, p);
		pin(mc, p, LENGTH);
		use(p, LENGTH, 1);
		press(mc);
		use(p, LENGTH, 1);
		REQUIRE(memclient_unpin(mc, p, LENGTH) == 0);
		memclient_close(mc);
	}
}

static void system_calls_find_pinned_pages(void **state)
{
	(void)state;
	use_each_kind();
}

static void become_somebody(void)
{
	if (getuid() == 0)
		REQUIRE(setgid(SOMEBODY) == 0 && setuid(SOMEBODY) == 0);
}

static void use_as_somebody(void)
{
	become_somebody();
	use_each_kind();
}

/* Who is not root hardly ever has full userfaultfd. */
static void whatever_userfaultfd_there_is(void **state)
{
	(void)state;
	in_child(use_as_somebody);
}

/* Part of a page, of a few, and of pages that others pinned, too. */
static void parts_are_pinned_as_often_as_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct memclient *mc = open_client(&real, 60000);
		uint8_t *p = map(mc, LENGTH, kinds[i].page_size,
				 kinds[i].fault_mode);

		fill(p, LENGTH);
		page_out(mc, p);
		pin(mc, p + 5 * PAGE, 20 * PAGE);
		pin(mc, p + 10 * PAGE, 100 * PAGE);
		pin(mc, p + 10 * PAGE, 100 * PAGE);
		press(mc);
		use_futexes(p + 5 * PAGE, 105 * PAGE);
		REQUIRE(memclient_unpin(mc, p + 10 * PAGE, 100 * PAGE) == 0);
		REQUIRE(memclient_unpin(mc, p + 5 * PAGE, 20 * PAGE) == 0);
		press(mc);
		use_futexes(p + 10 * PAGE, 100 * PAGE);
		REQUIRE(memclient_unpin(mc, p + 10 * PAGE, 100 * PAGE) == 0);
		memclient_close(mc);
	}
}

/* ---- attached for reading */

static const char *const names[KINDS] = {"a", "b", "c", "d", "e", "f"};

static void share(struct memclient *mc, size_t kind)
{
	struct memclient_segment_options o = {
		.size = sizeof(o),
		.page_size = kinds[kind].page_size,
		.mode = 0644,
	};

	if (memclient_segment_create(mc, names[kind], LENGTH, &o) != 0)
		FAIL("%s\n", memclient_error(mc));
}

static void pin_as_somebody(void)
{
	struct memclient *mc;
	uint8_t *p;

	become_somebody();
	mc = open_client(&real, 60000);
	p = attach(mc, names[0], 0, 1, NULL);
	REQUIRE(memclient_pin(mc, p, PAGE) == -EACCES);
	memclient_close(mc);
}

static void regions_for_reading_are_pinned_too(void **state)
{
	struct memclient *mc = open_client(&real, 60000);

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		uint8_t *p, *q;

		share(mc, i);
		p = attach(mc, names[i], kinds[i].fault_mode, 0, NULL);
		fill(p, LENGTH);
		page_out(mc, p);
		REQUIRE(memclient_unmap(mc, p) == 0);
		q = attach(mc, names[i], kinds[i].fault_mode, 1, NULL);
		pin(mc, q, LENGTH);
		use(q, LENGTH, 0);
		press(mc);
		use(q, LENGTH, 0);
		REQUIRE(memclient_unpin(mc, q, LENGTH) == 0);
		REQUIRE(memclient_unmap(mc, q) == 0);
	}
	/* By those who might write, as it is everybody's memory. */
	if (getuid() == 0)
		in_child(pin_as_somebody);
	for (size_t i = 0; i < KINDS; i++)
		REQUIRE(memclient_segment_unlink(mc, names[i]) == 0);
	memclient_close(mc);
}

/* ---- Age, and a daemon that is wrong */

/* Does the kernel find the word, which is not 0? */
static int is_found(uint8_t *p)
{
	REQUIRE(syscall(SYS_futex, p, FUTEX_WAIT, 0u, NULL, NULL, 0) == -1 &&
		(errno == EAGAIN || errno == EFAULT));
	return errno == EAGAIN;
}

static void age(struct memclient *mc)
{
	struct memclient_stats s = {.size = sizeof(s)};

	fake_age(&fake);
	/* Age is on its way; an answered request has come after it. */
	assert_int_equal(memclient_stats(mc, &s), 0);
}

static void ageing_spares_what_is_pinned(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 32 * PAGE, 0, MEMCLIENT_FAULT_INLINE);

	(void)state;
	memset(p, 1, 32 * (size_t)PAGE);
	pin(mc, p + 4 * PAGE, 8 * PAGE);
	pin(mc, p + 10 * PAGE, 4 * PAGE);
	pin(mc, p + 20 * PAGE, PAGE);
	age(mc);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(is_found(p + i * PAGE),
				 (i >= 4 && i < 14) || i == 20);
	assert_int_equal(memclient_unpin(mc, p + 4 * PAGE, 8 * PAGE), 0);
	age(mc);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(is_found(p + i * PAGE),
				 (i >= 10 && i < 14) || i == 20);
	/* Pins end with the session. */
	fake_hang_up(&fake);
	assert_int_equal(memclient_unmap(mc, p), 0);
	p = map(mc, 32 * PAGE, 0, MEMCLIENT_FAULT_INLINE);
	memset(p, 1, 32 * (size_t)PAGE);
	age(mc);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(is_found(p + i * PAGE), 0);
	memclient_close(mc);
}

static void what_cannot_be_mapped_is_not_pinned(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 32 * PAGE, 0, MEMCLIENT_FAULT_INLINE);

	(void)state;
	fake.control->mode = FAKE_LIE;
	assert_int_equal(memclient_pin(mc, p, 8 * PAGE), -EIO);
	fake.control->mode = FAKE_GOOD;
	memset(p, 1, 32 * (size_t)PAGE);
	age(mc);
	assert_false(is_found(p));
	pin(mc, p, 8 * PAGE);
	assert_true(is_found(p));
	memclient_close(mc);
}

/* ---- locks */

struct table {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	unsigned turn;
	int is_over;
};

struct player {
	struct table *table;
	unsigned parity;
};

static void *play(void *arg)
{
	const struct player *me = arg;
	struct table *t = me->table;

	pthread_mutex_lock(&t->mutex);
	while (!t->is_over) {
		while (!t->is_over && t->turn % 2 != me->parity)
			pthread_cond_wait(&t->cond, &t->mutex);
		t->turn++;
		pthread_cond_broadcast(&t->cond);
	}
	pthread_mutex_unlock(&t->mutex);
	return NULL;
}

static void locks_work_where_they_are_pinned(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct memclient *mc = open_client(&real, 60000);
		uint8_t *p = map(mc, LENGTH, kinds[i].page_size,
				 kinds[i].fault_mode);
		struct table *t = (struct table *)(void *)(p + PAGE - 64);
		struct player player[2] = {{t, 0}, {t, 1}};
		pthread_t thread[2];

		pin(mc, (uint8_t *)t, sizeof(*t));
		assert_int_equal(pthread_mutex_init(&t->mutex, NULL), 0);
		assert_int_equal(pthread_cond_init(&t->cond, NULL), 0);
		for (size_t k = 0; k < 2; k++)
			assert_int_equal(pthread_create(&thread[k], NULL, play,
							&player[k]),
					 0);
		for (unsigned k = 0; k < 3000; k++)
			(void)!memclient_advise(mc, t, sizeof(*t),
						MEMCLIENT_ADVICE_PAGEOUT);
		press(mc);
		pthread_mutex_lock(&t->mutex);
		t->is_over = 1;
		pthread_cond_broadcast(&t->cond);
		pthread_mutex_unlock(&t->mutex);
		for (size_t k = 0; k < 2; k++)
			pthread_join(thread[k], NULL);
		memclient_close(mc);
	}
}

/* ---- robust mutexes, and all else that outlives a thread */

static void lock_robust(pthread_mutex_t *m)
{
	pthread_mutexattr_t a;

	REQUIRE(pthread_mutexattr_init(&a) == 0);
	REQUIRE(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0);
	REQUIRE(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0);
	REQUIRE(pthread_mutex_init(m, &a) == 0);
	REQUIRE(pthread_mutex_lock(m) == 0);
}

/* Until it is killed. */
static void own(size_t kind, int told)
{
	struct memclient *mc = open_client(&real, 60000);
	uint8_t *p = attach(mc, names[kind], kinds[kind].fault_mode, 0, NULL);
	uint8_t *page = p + LENGTH / 2;

	pin(mc, page, PAGE);
	lock_robust((pthread_mutex_t *)(void *)page);
	press(mc);
	REQUIRE(write(told, "x", 1) == 1);
	for (;;)
		pause();
}

static pid_t start_owner(size_t kind)
{
	int pipes[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		is_test_child = 1;
		alarm(120);
		own(kind, pipes[1]);
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	return pid;
}

static int lock_within_a_minute(void *mutex)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	return pthread_mutex_timedlock(mutex, &until);
}

static void owners_die(void **state)
{
	struct memclient *mc = open_client(&real, 60000);

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip_case("no threads in a child, says ThreadSanitizer");
#endif
	for (size_t i = 0; i < KINDS; i++) {
		pid_t pid;
		uint8_t *p;

		share(mc, i);
		pid = start_owner(i);
		p = attach(mc, names[i], kinds[i].fault_mode, 0, NULL);
		press(mc);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		/* The words of a lock that is waited for, too. */
		pin(mc, p + LENGTH / 2, PAGE);
		assert_int_equal(lock_within_a_minute(p + LENGTH / 2),
				 EOWNERDEAD);
		assert_int_equal(pthread_mutex_unlock((void *)(p + LENGTH / 2)),
				 0);
		REQUIRE(memclient_unmap(mc, p) == 0);
		REQUIRE(memclient_segment_unlink(mc, names[i]) == 0);
	}
	memclient_close(mc);
}

/* It is stopped where it ends, before the kernel looks at its list.  False: it
 * may not be stopped here. */
static int stop_at_exit(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXIT) != 0)
		return 0;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, __WALL), pid);
	return WIFSTOPPED(status) &&
	       status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8);
}

/* Its other threads are gone, with them its connection, and everybody else
 * pages. */
static void owners_take_their_time_to_die(void **state)
{
	struct memclient *mc = open_client(&real, 60000);

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip_case("no threads in a child, says ThreadSanitizer");
#endif
	for (size_t i = 0; i < KINDS; i++) {
		unsigned closed = testmemd_log_count(&memd, "session-close");
		pid_t pid;
		uint8_t *p;

		share(mc, i);
		pid = start_owner(i);
		p = attach(mc, names[i], kinds[i].fault_mode, 0, NULL);
		if (!stop_at_exit(pid)) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, __WALL);
			skip_case("ptrace() does not stop who ends here");
		}
		while (testmemd_log_count(&memd, "session-close") == closed)
			usleep(1000);
		press(mc);
		press(mc);
		assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, NULL, __WALL), pid);
		pin(mc, p + LENGTH / 2, PAGE);
		assert_int_equal(lock_within_a_minute(p + LENGTH / 2),
				 EOWNERDEAD);
		assert_int_equal(pthread_mutex_unlock((void *)(p + LENGTH / 2)),
				 0);
		REQUIRE(memclient_unmap(mc, p) == 0);
		REQUIRE(memclient_segment_unlink(mc, names[i]) == 0);
	}
	memclient_close(mc);
}

enum { STACK = 256 * 1024 };

static sem_t may_end;

static void *lock_two_and_end(void *arg)
{
	uint8_t *pages = arg;

	lock_robust((pthread_mutex_t *)(void *)pages);
	lock_robust((pthread_mutex_t *)(void *)(pages + 16 * PAGE));
	sem_wait(&may_end);
	return NULL;
}

/* The kernel writes the word that is waited for in pthread_join(), and follows
 * the list from the thread's descriptor to one mutex and the other. */
static void threads_end_on_pinned_stacks(void **state)
{
	(void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	skip_case("a sanitizer wants to know about all stacks");
#endif
	assert_int_equal(sem_init(&may_end, 0, 0), 0);
	for (size_t i = 0; i < KINDS; i++) {
		struct memclient *mc = open_client(&real, 60000);
		uint8_t *p = map(mc, LENGTH, kinds[i].page_size,
				 kinds[i].fault_mode);
		uint8_t *two = p + LENGTH / 2;
		pthread_attr_t attr;
		pthread_t thread;

		pin(mc, p, STACK);
		pin(mc, two, 17 * PAGE);
		pthread_attr_init(&attr);
		assert_int_equal(pthread_attr_setstack(&attr, p, STACK), 0);
		assert_int_equal(
			pthread_create(&thread, &attr, lock_two_and_end, two),
			0);
		press(mc);
		sem_post(&may_end);
		assert_int_equal(pthread_join(thread, NULL), 0);
		for (size_t k = 0; k < 17; k += 16) {
			void *m = two + k * PAGE;

			assert_int_equal(lock_within_a_minute(m), EOWNERDEAD);
			assert_int_equal(pthread_mutex_unlock(m), 0);
		}
		memclient_close(mc);
	}
}

#define TEST(body) CLIENT_TEST(&real, body)

int main(void)
{
	static const char *const flags[] = {"--pool-size=64M",
					    "--swap-size=256M", NULL};
	const struct CMUnitTest tests[] = {
		TEST(system_calls_find_pinned_pages),
		TEST(whatever_userfaultfd_there_is),
		TEST(parts_are_pinned_as_often_as_asked),
		TEST(regions_for_reading_are_pinned_too),
		TEST(ageing_spares_what_is_pinned),
		TEST(what_cannot_be_mapped_is_not_pinned),
		TEST(locks_work_where_they_are_pinned),
		TEST(owners_die),
		TEST(owners_take_their_time_to_die),
		TEST(threads_end_on_pinned_stacks),
	};
	int failed;

	fake_start(&fake);
	if (testmemd_start(&memd, flags) != 0)
		return 1;
	/* Also for those whom we become. */
	if (chmod(memd.dir, 0755) != 0 || chmod(memd.socket, 0666) != 0)
		return 1;
	if (snprintf(real.address, sizeof(real.address), "%s", memd.socket) >=
	    (int)sizeof(real.address))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_stop(&fake);
	return testmemd_stop(&memd) != 0 ? 1 : failed;
}
