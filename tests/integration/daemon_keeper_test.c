/* SPDX-License-Identifier: MIT */
/* Proves: who shares a segment has handed over its userfaultfd before; what is
 * handed over is let go of when the program's memory is gone or unmapped, and
 * is what it should be, or its user is not trusted; and a keeper that was
 * killed is made again and knows everything.  That all of this keeps zeros out
 * of what is shared is dying_sharers_test's. */
#include "tests/integration/daemon_client.h"
#include "tests/integration/testadmin.h"
#include "tests/skip.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { FOREIGN_MAX = 4, TRIES = 6000 };

static struct testmemd tm;

static void nap(void)
{
	const struct timespec t = { .tv_nsec = 10000000 };

	nanosleep(&t, NULL);
}

/* ---- the keeper, as /proc shows it */

static pid_t look_for_keeper(void)
{
	char path[64], text[256];
	struct dirent *entry;
	pid_t found = 0;
	DIR *dir = opendir("/proc");

	assert_non_null(dir);
	while (found == 0 && (entry = readdir(dir)) != NULL) {
		int parent = 0;
		char name[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%.16s/stat",
			 entry->d_name);
		f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fgets(text, sizeof(text), f) != NULL &&
		    sscanf(text, "%*d (%31[^)]) %*c %d", name, &parent) == 2 &&
		    parent == tm.pid && strcmp(name, "memd-keeper") == 0)
			found = (pid_t)strtol(entry->d_name, NULL, 10);
		fclose(f);
	}
	closedir(dir);
	return found;
}

/* It may only just have been started. */
static pid_t find_keeper(void)
{
	pid_t pid;

	for (unsigned i = 0; (pid = look_for_keeper()) == 0; i++) {
		if (i == TRIES)
			fail_msg("memd has no keeper");
		nap();
	}
	return pid;
}

static int count_userfaultfds(pid_t pid)
{
	char path[64], target[64];
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target,
				       sizeof(target) - 1);

		target[n > 0 ? n : 0] = '\0';
		count += strcmp(target, "anon_inode:[userfaultfd]") == 0;
	}
	if (dir != NULL)
		closedir(dir);
	return count;
}

/* Until a thread of a process is inside of a fault, and the others have had
 * time to line up behind it. */
static void await_fault(pid_t pid)
{
	bool is_waiting = false;

	for (unsigned i = 0; !is_waiting; i++) {
		char path[300], where[64] = "";
		struct dirent *entry;
		DIR *dir;

		if (i == TRIES)
			fail_msg("no thread is in a fault");
		nap();
		snprintf(path, sizeof(path), "/proc/%d/task", pid);
		dir = opendir(path);
		while (dir != NULL && (entry = readdir(dir)) != NULL) {
			FILE *f;

			snprintf(path, sizeof(path), "/proc/%d/task/%s/wchan",
				 pid, entry->d_name);
			f = fopen(path, "re");
			if (f == NULL)
				continue;
			if (fgets(where, sizeof(where), f) != NULL &&
			    strstr(where, "userfault") != NULL)
				is_waiting = true;
			fclose(f);
		}
		if (dir != NULL)
			closedir(dir);
	}
	nap();
}

static void await_userfaultfds(pid_t pid, int count)
{
	for (unsigned i = 0; count_userfaultfds(pid) != count; i++) {
		if (i == TRIES)
			fail_msg("%d userfaultfds, not %d",
				 count_userfaultfds(pid), count);
		nap();
	}
}

/* memd has one of its own. */
static void await_copies(int count)
{
	pid_t keeper = find_keeper();

	await_userfaultfds(keeper, count);
	await_userfaultfds(tm.pid, count + 1);
}

/* ---- cases */

static void nobody_shares_without(void **state)
{
	Memd__SegmentAttach attach = MEMD__SEGMENT_ATTACH__INIT;
	int fd = client_open_bare(&tm);
	uint32_t segment;

	(void)state;
	client_send_create(fd, 2, "shared", 1 << 16, 0600);
	attach.name = (char *)"shared";
	{
		struct answer a;

		client_receive(fd, T(SEGMENT_REPLY), 2, &a);
		answer_free(&a);
	}
	client_send(fd, T(SEGMENT_ATTACH), 3, &attach.base);
	client_expect_error(fd, 3, EPERM, "userfaultfd");
	/* What is one's own is nobody else's business. */
	close(client_map(fd, 1 << 16, 4096, &segment));
	client_hand_over(fd);
	close(client_attach(fd, "shared", false, &segment));
	client_send(fd, T(GOODBYE), 0, NULL);
	close(fd);
}

/* A process of its own, so that its memory can end before this one's. */
static pid_t start_program(bool says_goodbye, int *ret_go)
{
	int go[2], is_up[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(is_up, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		int fd = client_open(&tm, false, NULL);
		uint32_t segment;

		close(go[1]);
		close(client_map(fd, 1 << 16, 4096, &segment));
		if (write(is_up[1], "x", 1) != 1 || read(go[0], &byte, 1) < 0)
			_exit(1);
		if (says_goodbye)
			client_send(fd, T(GOODBYE), 0, NULL);
		close(fd);
		while (read(go[0], &byte, 1) > 0)
			;
		_exit(0);
	}
	close(go[0]);
	close(is_up[1]);
	assert_int_equal(read(is_up[0], &byte, 1), 1);
	close(is_up[0]);
	*ret_go = go[1];
	return pid;
}

static void end_program(pid_t pid, int go)
{
	close(go);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void kept_as_long_as_the_memory(void **state)
{
	int go, admin = client_open(&tm, true, NULL);
	pid_t pid;

	(void)state;
	await_copies(0);
	pid = start_program(false, &go);
	await_copies(1);
	assert_int_equal(write(go, "x", 1), 1);	/* it closes its socket */
	client_await_counter(admin, "sessions_closed",
			     client_counter(admin, "sessions_opened") - 1);
	for (unsigned i = 0; i < 50; i++)	/* the keeper asks meanwhile */
		nap();
	await_copies(1);
	end_program(pid, go);
	await_copies(0);
	close(admin);
}

static void dropped_at_goodbye(void **state)
{
	int go;
	pid_t pid = start_program(true, &go);

	(void)state;
	await_copies(1);
	assert_int_equal(write(go, "x", 1), 1);
	await_copies(0);
	end_program(pid, go);
}

/* However much was asked for before, and although nobody takes the answers. */
static void goodbye_is_heard_at_the_end(void **state)
{
	enum { ROUNDS = 20, REQUESTS = 100 };
	uint8_t bytes[(REQUESTS + 1) * WIRE_HEADER_BYTES];

	(void)state;
	for (unsigned i = 0; i <= REQUESTS; i++)
		assert_int_equal(wire_pack(i < REQUESTS ? T(SESSION_STATS) :
							  T(GOODBYE),
					   i < REQUESTS ? i + 1 : 0, NULL, 0,
					   bytes + (size_t)i *
						   WIRE_HEADER_BYTES,
					   WIRE_HEADER_BYTES),
				 WIRE_HEADER_BYTES);
	for (unsigned i = 0; i < ROUNDS; i++) {
		int fd = client_open(&tm, false, NULL);
		uint32_t segment;

		close(client_map(fd, 1 << 16, 4096, &segment));
		client_send_bytes(fd, bytes, sizeof(bytes));
		close(fd);
		await_copies(0);
	}
}

static void a_new_keeper_knows_all(void **state)
{
	pid_t first = find_keeper(), pid, second;
	int go;

	(void)state;
	pid = start_program(false, &go);
	await_copies(1);
	assert_int_equal(kill(first, SIGKILL), 0);
	for (unsigned i = 0; (second = find_keeper()) == first; i++) {
		assert_true(i < TRIES);
		nap();
	}
	await_copies(1);
	assert_true(testmemd_log_count(&tm, "keeper-restarted") > 0);
	end_program(pid, go);
	await_copies(0);
}

/* A program whose session breaks, again and again. */
static void the_same_is_kept_once(void **state)
{
	struct uffdio_api api = { .api = UFFD_API };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK |
				1 /* UFFD_USER_MODE_ONLY */);

	(void)state;
	assert_true(uffd >= 0);
	assert_int_equal(ioctl(uffd, UFFDIO_API, &api), 0);
	for (unsigned i = 0; i < 50; i++) {
		int fd = client_open_bare(&tm);

		assert_true(client_try_send_fds(fd, T(USERFAULTFD), &uffd, 1));
		if (i == 49)
			client_send(fd, T(GOODBYE), 0, NULL);
		await_copies(i == 49 ? 0 : 1);
		close(fd);
		if (i < 49)
			await_copies(1);
	}
	close(uffd);
}

/* Nor do more than may come, or the same twice, do any harm. */
static void odd_numbers_are_endured(void **state)
{
	struct uffdio_api api = { .api = UFFD_API };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK |
				1 /* UFFD_USER_MODE_ONLY */);
	int four[4] = { uffd, uffd, uffd, uffd }, fd;

	(void)state;
	assert_true(uffd >= 0);
	assert_int_equal(ioctl(uffd, UFFDIO_API, &api), 0);
	fd = client_open_bare(&tm);
	assert_true(client_try_send_fds(fd, T(USERFAULTFD), four, 4));
	client_expect_error(fd, 0, EMFILE, "not all");
	client_expect_end(fd);
	close(fd);
	for (unsigned i = 0; i < 3; i++) {
		fd = client_open_bare(&tm);
		assert_true(client_try_send_fds(fd, T(USERFAULTFD), four, 2));
		close(fd);
	}
	fd = client_open_bare(&tm);
	assert_true(client_try_send_fds(fd, T(USERFAULTFD), four, 1));
	client_send(fd, T(GOODBYE), 0, NULL);
	close(fd);
	close(uffd);
}

static void sent_once(void **state)
{
	int fd = client_open(&tm, false, NULL);

	(void)state;
	client_send(fd, T(USERFAULTFD), 0, NULL);
	client_expect_error(fd, 0, EPROTO, "again");
	client_expect_end(fd);
	close(fd);
}

/* ---- memd is killed, then a program in the middle of faults */

enum { HOLES = 32, WRITERS = 24, ROUNDS = 12 };

static char *holes;
static int sink[2], handed[2], connection;

/* As the library's thread: with the only userfaultfd, in a table of its own. */
static void *watcher(void *arg)
{
	struct uffdio_api api = {
		.api = UFFD_API, .features = UFFD_FEATURE_MISSING_SHMEM,
	};
	struct uffdio_register r = {
		.range = { (uintptr_t)holes, HOLES * 4096 },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd;

	(void)arg;
	fd = unshare(CLONE_FILES) != 0 ? -1 :
		(int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) != 0 ||
	    ioctl(fd, UFFDIO_REGISTER, &r) != 0 ||
	    !client_try_send_fds(connection, T(USERFAULTFD), &fd, 1) ||
	    write(handed[1], "x", 1) != 1)
		_exit(SKIP_STATUS);
	for (;;)
		pause();
}

/* All into one pipe, which is locked while it is written to: when the first is
 * killed in its fault, the others come to touch memory one after the other,
 * each a little later. */
static void *writer(void *arg)
{
	(void)!write(sink[1], holes + (size_t)arg * 4096, 4096);
	return NULL;
}

static _Noreturn void die_in_faults(const struct testmemd *own, int ready)
{
	pthread_t thread;
	uint32_t segment;
	char byte;
	int data;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	connection = client_open_bare(own);
	/* Its own: whether it may be shared does not matter here. */
	data = client_map(connection, HOLES * 4096, 4096, &segment);
	holes = mmap(NULL, HOLES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
		     data, 0);
	if (holes == MAP_FAILED || pipe(sink) != 0 || pipe(handed) != 0 ||
	    pthread_create(&thread, NULL, watcher, NULL) != 0 ||
	    read(handed[0], &byte, 1) != 1)
		_exit(1);
	for (size_t i = 0; i < WRITERS; i++)
		(void)pthread_create(&thread, NULL, writer, (void *)i);
	/* The one who waits for this has the data file from /proc. */
	dprintf(ready, "%d\n", data);
	for (;;)
		pause();
}

static void let_die_after_memd(void)
{
	struct testmemd own;
	char path[64], text[16] = "";
	int ready[2], data, status;
	pid_t pid;

	assert_int_equal(testmemd_start(&own, NULL), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		die_in_faults(&own, ready[1]);
	close(ready[1]);
	if (read(ready[0], text, sizeof(text) - 1) <= 0) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		testmemd_kill(&own);
		assert_int_equal(WEXITSTATUS(status), SKIP_STATUS);
		skip_case("only user-mode userfaultfd is allowed here");
	}
	close(ready[0]);
	snprintf(path, sizeof(path), "/proc/%d/fd/%ld", pid,
		 strtol(text, NULL, 10));
	data = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(data >= 0);
	await_fault(pid);
	testmemd_kill(&own);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	if (lseek(data, 0, SEEK_DATA) >= 0)
		fail_msg("there are pages of zeros in the data file");
	assert_int_equal(errno, ENXIO);
	close(data);
}

static void nothing_is_left_after_memd(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++)
		let_die_after_memd();
}

/* The last case: this user is not trusted afterwards. */
static void something_else_is_not_closed(void **state)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int before = testadmin_open_files(&tm);

	(void)state;
	for (int i = 0; i < FOREIGN_MAX; i++) {
		int fd = client_open_bare(&tm);

		assert_true(client_try_send_fds(fd, T(USERFAULTFD), &null, 1));
		client_expect_error(fd, 0, EBADF, "is not a userfaultfd");
		client_expect_end(fd);
		close(fd);
	}
	/* From now on none is taken. */
	for (int i = 0; i < FOREIGN_MAX; i++) {
		int fd = client_open_bare(&tm);

		(void)client_try_send_fds(fd, T(USERFAULTFD), &null, 1);
		(void)client_try_send(fd, T(USERFAULTFD), 0, NULL);
		client_expect_error(fd, 0, EDQUOT, NULL);
		client_expect_end(fd);
		close(fd);
	}
	for (unsigned i = 0; testadmin_open_files(&tm) !=
	     before + FOREIGN_MAX; i++) {
		assert_true(i < TRIES);
		nap();
	}
	close(null);
}

static int start(void **state)
{
	(void)state;
	return testmemd_start(&tm, NULL);
}

static int stop(void **state)
{
	(void)state;
	return testmemd_stop(&tm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_shares_without),
		cmocka_unit_test(kept_as_long_as_the_memory),
		cmocka_unit_test(dropped_at_goodbye),
		cmocka_unit_test(goodbye_is_heard_at_the_end),
		cmocka_unit_test(a_new_keeper_knows_all),
		cmocka_unit_test(the_same_is_kept_once),
		cmocka_unit_test(sent_once),
		cmocka_unit_test(odd_numbers_are_endured),
		cmocka_unit_test(nothing_is_left_after_memd),
		cmocka_unit_test(something_else_is_not_closed),
	};

	return skip_exit_status(cmocka_run_group_tests(tests, start, stop),
				ARRAY_SIZE(tests));
}
