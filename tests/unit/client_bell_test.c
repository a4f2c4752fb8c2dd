/* SPDX-License-Identifier: MIT */
/* Proves what client/fault/bell.c promises (B1 ... B8), with a socket of the
 * test in the daemon's place: a ring is one byte, in the bell of that session
 * and in nothing else, whatever the program has put in the place of the numbers
 * meanwhile; a lost bell is fetched again, but not for ever; a thread that may
 * not use the bell does not wait; a daemon that is gone ends no program; the
 * kernel writes nothing into the thread's stack; and no descriptor is left. */
#include "client/fault/bell.h"
#include "tests/open_descriptors.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4, SESSIONS = 400 };

static struct bell bell;
static struct bell_hook hook;	/* the library's */
static unsigned before;		/* descriptors */

static int begin(void **state)
{
	(void)state;
	before = open_descriptors();
	memset(&bell, 0, sizeof(bell));
	assert_int_equal(bell_init(&bell), 0);
	hook = bell.hook;
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(atomic_load(&bell.users), 0);
	bell_fini(&bell);
	assert_int_equal(open_descriptors(), before);
	return 0;
}

/* A bell of a session is hung up; returns the daemon's end. */
static int open_session(uint64_t generation)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
				    SOCK_NONBLOCK, 0, fds), 0);
	bell_hang(&hook, fds[1], generation);
	close(fds[1]);
	return fds[0];
}

/* How often it was rung; SIZE_MAX: and will not be any more. */
static size_t count_rings(int fd)
{
	size_t count = 0;
	char bytes[64];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		count += (size_t)n;
	assert_true(n == 0 || errno == EAGAIN);
	return n == 0 && count == 0 ? SIZE_MAX : count;
}

/* What a program may have in the place of a number. */
static int open_file(void)
{
	int fd = memfd_create("program's", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void replace(int number, int fd)
{
	assert_int_equal(dup3(fd, number, O_CLOEXEC), number);
}

static off_t length_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

/* ---- ringing */

static void nobody_rings_without_a_session(void **state)
{
	(void)state;
	assert_false(bell_ring(&bell, 1));
	bell_take_down(&hook);
	assert_false(bell_ring(&bell, 1));
}

static void a_ring_is_a_byte_in_its_session(void **state)
{
	int first = open_session(1), second;

	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		assert_true(bell_ring(&bell, 1));
	assert_false(bell_ring(&bell, 2));
	assert_false(bell_ring(&bell, 0));
	assert_int_equal(count_rings(first), 10);
	second = open_session(2);
	/* Who asks in the last mailbox yet. */
	assert_true(bell_ring(&bell, 1));
	assert_true(bell_ring(&bell, 2));
	assert_false(bell_ring(&bell, 1));
	assert_int_equal(count_rings(first), 1);
	assert_int_equal(count_rings(first), SIZE_MAX);
	assert_int_equal(count_rings(second), 1);
	bell_take_down(&hook);
	assert_true(bell_ring(&bell, 2));
	assert_false(bell_ring(&bell, 3));
	assert_int_equal(count_rings(second), 1);
	assert_int_equal(count_rings(second), SIZE_MAX);
	close(first);
	close(second);
}

static void a_full_bell_is_rung(void **state)
{
	int daemon = open_session(1);

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		assert_true(bell_ring(&bell, 1));
	assert_in_range(count_rings(daemon), 1, 9999);
	close(daemon);
	assert_false(bell_ring(&bell, 1));
}

/* SIGPIPE would end the test. */
static void a_daemon_that_is_gone_ends_no_program(void **state)
{
	struct sigaction sa;
	int daemon = open_session(1);

	(void)state;
	assert_int_equal(sigaction(SIGPIPE, NULL, &sa), 0);
	assert_true(sa.sa_handler == SIG_DFL);
	assert_true(bell_ring(&bell, 1));
	close(daemon);
	assert_false(bell_ring(&bell, 1));
	daemon = open_session(2);
	assert_true(bell_ring(&bell, 2));
	assert_int_equal(shutdown(daemon, SHUT_RD), 0);
	assert_false(bell_ring(&bell, 2));
	close(daemon);
}

static _Atomic unsigned received;

static bool is_in_bell(const void *at, size_t length)
{
	return (const uint8_t *)at >= (const uint8_t *)&bell &&
	       (const uint8_t *)at + length <= (const uint8_t *)(&bell + 1);
}

/* In place of the C library's: looks where a bell is fetched to. */
long syscall(long number, ...)
{
	long (*real)(long number, ...) = dlsym(RTLD_NEXT, "syscall");
	va_list args;
	long arg[6];

	va_start(args, number);
	for (size_t i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_recvmsg) {
		const struct msghdr *m = (void *)arg[1];

		atomic_fetch_add(&received, 1);
		if (!is_in_bell(m->msg_iov->iov_base, m->msg_iov->iov_len) ||
		    !is_in_bell(m->msg_control, m->msg_controllen))
			abort();
	}
	return real(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

static void it_is_not_fetched_into_the_stack(void **state)
{
	int daemon = open_session(1);

	(void)state;
	atomic_store(&received, 0);
	assert_true(bell_ring(&bell, 1));
	assert_int_equal(atomic_load(&received), 1);
	close(daemon);
}

/* ---- what the program does with the numbers */

static void a_lost_bell_is_fetched_again(void **state)
{
	int daemon = open_session(1);

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(bell_ring(&bell, 1));
		close(bell.fd);
	}
	assert_int_equal(count_rings(daemon), 3);
	close(daemon);
}

/* It might be lost each time, and each copy stay open in another table. */
static void a_session_has_so_many_copies(void **state)
{
	enum { MOST = 64 };
	int first = open_session(1), second;

	(void)state;
	for (unsigned i = 0; i < MOST; i++) {
		assert_true(bell_ring(&bell, 1));
		close(bell.fd);
	}
	assert_false(bell_ring(&bell, 1));
	assert_int_equal(count_rings(first), MOST);
	second = open_session(2);
	assert_true(bell_ring(&bell, 2));
	assert_int_equal(count_rings(second), 1);
	close(first);
	close(second);
}

static void a_number_that_is_used_again_is_left_alone(void **state)
{
	int daemon = open_session(1), file = open_file(), fds[2];
	int number[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
				    fds), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(bell_ring(&bell, 1));
		number[i] = bell.fd;
		replace(bell.fd, i == 0 ? file : fds[1]);
	}
	assert_true(bell_ring(&bell, 1));
	assert_int_equal(count_rings(daemon), 3);
	assert_int_equal(count_rings(fds[0]), 0);
	assert_int_equal(length_of(file), 0);
	/* And not closed. */
	assert_int_equal(length_of(number[0]), 0);
	assert_int_equal(send(number[1], "", 1, 0), 1);
	for (unsigned i = 0; i < 2; i++) {
		close(fds[i]);
		close(number[i]);
	}
	close(file);
	close(daemon);
}

static void who_has_closed_all_cannot_ring(void **state)
{
	int daemon = open_session(1), file = open_file(), number;

	(void)state;
	assert_true(bell_ring(&bell, 1));
	number = bell.fd;
	/* In the program's table; the test has but one. */
	replace(bell.hook.fd[0], file);
	assert_true(bell_ring(&bell, 1));
	replace(number, file);
	assert_false(bell_ring(&bell, 1));
	assert_false(bell_ring(&bell, 1));
	assert_int_equal(count_rings(daemon), 2);
	assert_int_equal(length_of(file), 0);
	bell_fini(&bell);
	assert_int_equal(length_of(hook.fd[0]), 0);
	assert_int_equal(length_of(number), 0);
	close(hook.fd[0]);
	close(number);
	close(file);
	close(daemon);
}

static void without_a_number_it_is_not_lost(void **state)
{
	struct rlimit limit, none = { 0, 0 };
	int daemon = open_session(1);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_false(bell_ring(&bell, 1));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(bell_ring(&bell, 1));
	assert_int_equal(count_rings(daemon), 1);
	close(daemon);
}

static void none_is_a_standard_one(void **state)
{
	int saved = dup(STDIN_FILENO), daemon;

	(void)state;
	bell_fini(&bell);
	close(STDIN_FILENO);
	memset(&bell, 0, sizeof(bell));
	assert_int_equal(bell_init(&bell), 0);
	hook = bell.hook;
	assert_true(hook.fd[0] > STDERR_FILENO && hook.fd[1] > STDERR_FILENO);
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
	daemon = fcntl(open_session(1), F_DUPFD_CLOEXEC, 10);
	close(STDIN_FILENO);
	assert_true(bell_ring(&bell, 1));
	assert_true(bell.fd > STDERR_FILENO);
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
	assert_int_equal(count_rings(daemon), 1);
	replace(STDIN_FILENO, saved);
	close(saved);
	close(daemon);
}

static void the_other_end_is_parted_with(void **state)
{
	int daemon = open_session(1);

	(void)state;
	bell_part(&bell);
	assert_false(bell_is_hook(&hook));
	assert_true(bell_ring(&bell, 1));
	assert_int_equal(count_rings(daemon), 1);
	close(daemon);
}

/* ---- others */

/* As the child of a vfork(), which has the memory, sees it.  What it has closed
 * in its own table is open in its parent's. */
static void another_process_changes_nothing(void **state)
{
	int daemon = open_session(1), file = open_file(), number, saved;

	(void)state;
	bell.pid++;
	assert_false(bell_ring(&bell, 1));
	bell.pid--;
	assert_true(bell_ring(&bell, 1));
	bell.pid++;
	assert_true(bell_ring(&bell, 1));
	number = bell.fd;
	saved = dup(number);
	replace(number, file);
	assert_false(bell_ring(&bell, 1));
	replace(number, saved);
	bell.pid--;
	assert_true(bell_ring(&bell, 1));
	assert_int_equal(bell.fd, number);
	assert_int_equal(count_rings(daemon), 3);
	close(saved);
	close(file);
	close(daemon);
}

/* A thread that was stopped while it used the bell, or changed it. */
static void nobody_waits_for_another_one(void **state)
{
	int first = open_session(1), second;

	(void)state;
	assert_true(bell_ring(&bell, 1));
	atomic_store(&bell.users, 1);
	assert_true(bell_ring(&bell, 1));
	second = open_session(2);
	assert_false(bell_ring(&bell, 2));
	atomic_store(&bell.users, UINT32_MAX);
	assert_false(bell_ring(&bell, 2));
	assert_false(bell_ring(&bell, 1));
	assert_int_equal(atomic_load(&bell.users), UINT32_MAX);
	atomic_store(&bell.users, 0);
	assert_true(bell_ring(&bell, 2));
	assert_int_equal(count_rings(first), 2);
	assert_int_equal(count_rings(second), 1);
	close(first);
	close(second);
}

static _Atomic uint64_t current;		/* session; 0: the end */
static _Atomic uint64_t rung[SESSIONS + 1];

static void *ring_on(void *arg)
{
	uint64_t generation;

	(void)arg;
	while ((generation = atomic_load(&current)) != 0) {
		if (bell_ring(&bell, generation))
			atomic_fetch_add(&rung[generation], 1);
		sched_yield();
	}
	return NULL;
}

/* Each hears what was rung in its own session, and nothing else. */
static void threads_ring_while_sessions_change(void **state)
{
	static int daemon[SESSIONS + 1];
	pthread_t thread[THREADS];
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	atomic_store(&current, 1);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ring_on,
						NULL), 0);
	for (uint64_t g = 1; g <= SESSIONS; g++) {
		daemon[g] = open_session(g);
		atomic_store(&current, g);
		while (atomic_load(&rung[g]) < 2)
			sched_yield();
	}
	atomic_store(&current, 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	bell_take_down(&hook);
	assert_false(bell_ring(&bell, SESSIONS + 1));
	for (uint64_t g = 1; g <= SESSIONS; g++) {
		size_t count = count_rings(daemon[g]);

		/* Fewer where there was no room. */
		assert_in_range(count, 1, atomic_load(&rung[g]));
		assert_int_equal(count_rings(daemon[g]), SIZE_MAX);
		close(daemon[g]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_rings_without_a_session),
		TEST(a_ring_is_a_byte_in_its_session),
		TEST(a_full_bell_is_rung),
		TEST(a_daemon_that_is_gone_ends_no_program),
		TEST(it_is_not_fetched_into_the_stack),
		TEST(a_lost_bell_is_fetched_again),
		TEST(a_session_has_so_many_copies),
		TEST(a_number_that_is_used_again_is_left_alone),
		TEST(who_has_closed_all_cannot_ring),
		TEST(without_a_number_it_is_not_lost),
		TEST(none_is_a_standard_one),
		TEST(the_other_end_is_parted_with),
		TEST(another_process_changes_nothing),
		TEST(nobody_waits_for_another_one),
		TEST(threads_ring_while_sessions_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
