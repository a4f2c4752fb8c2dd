/* SPDX-License-Identifier: MIT */
/* Proves, with a real memd, that nobody who waits in a mailbox waits for ever,
 * and what else may happen to a program that has one: memd that does not
 * answer for a while costs those who wait their SIGBUS, and no page: each is
 * right later; a program that is stopped meanwhile pays nothing for that; memd
 * that dies costs the pages that were waited for; a program without a free
 * descriptor cannot ring, and is served; a child has no part in its parent's
 * mailbox. */
#include "client/client.h"
#include "tests/integration/daemon_client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4, PAGE = 4096, PAGES = 256 };

static struct testmemd memd;
static int admin = -1;

/* ---- SIGBUS of the program's own */

static __thread sigjmp_buf back;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	siglongjmp(back, 1);
}

static bool is_readable(const volatile uint64_t *at)
{
	if (sigsetjmp(back, 1) != 0)
		return false;
	(void)*at;
	return true;
}

/* ---- a program */

static struct memclient *open_memclient(uint32_t timeout_ms)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = timeout_ms };
	struct memclient *mc = NULL;
	char address[128];

	snprintf(address, sizeof(address), "unix:%s", memd.socket);
	if (memclient_open(address, &o, &mc) == -EPERM) {
		print_message("skipped: %s\n", memclient_error(NULL));
		exit(77);
	}
	assert_non_null(mc);
	return mc;
}

static uint8_t *map(struct memclient *mc, uint32_t fault_mode)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .fault_mode = fault_mode };
	void *base;

	assert_int_equal(memclient_map(mc, PAGES * PAGE, &o, &base), 0);
	assert_int_equal(memclient_advise(mc, base, PAGES * PAGE,
					  MEMCLIENT_ADVICE_RANDOM), 0);
	return base;
}

/* cmocka puts handlers of its own in place for every test.  So: once, ours and
 * the library's before it; each time, this pair. */
static void catch_sigbus(void)
{
	static struct sigaction pair;
	struct sigaction sa = { .sa_sigaction = on_sigbus,
				.sa_flags = SA_SIGINFO };

	if (pair.sa_sigaction == NULL) {
		struct memclient *mc = open_memclient(60000);

		assert_int_equal(sigaction(SIGBUS, &sa, NULL), 0);
		(void)map(mc, MEMCLIENT_FAULT_INLINE);
		memclient_close(mc);
		assert_int_equal(sigaction(SIGBUS, NULL, &pair), 0);
	}
	assert_int_equal(sigaction(SIGBUS, &pair, NULL), 0);
}

/* The mailbox comes some time after the session. */
static void await_mailbox(struct memclient *mc, const uint8_t *base)
{
	for (size_t i = 0; atomic_load(&mc->box.generation) == 0; i++) {
		assert_true(is_readable((void *)(base + i % 8 * PAGE)));
		usleep(1000);
	}
}

static unsigned cells_not_free(const struct memclient *mc)
{
	unsigned count = 0;

	for (size_t i = 0; i < MAILBOX_CELLS; i++)
		count += atomic_load(&mc->box.shared->cell[i].state) !=
			 CELL_FREE;
	return count;
}

struct toucher {
	uint64_t *at;
	bool was_readable;
	pthread_t thread;
};

static void *touch_one(void *arg)
{
	struct toucher *t = arg;

	t->was_readable = is_readable(t->at);
	return NULL;
}

static void start_touching(struct toucher t[THREADS], uint8_t *base)
{
	for (unsigned i = 0; i < THREADS; i++) {
		t[i].at = (uint64_t *)(base + (size_t)(100 + i) * PAGE);
		assert_int_equal(pthread_create(&t[i].thread, NULL, touch_one,
						&t[i]), 0);
	}
}

static void expect_lost(struct toucher t[THREADS])
{
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i].thread, NULL);
		assert_false(t[i].was_readable);
	}
}

/* ---- tests */

/* All pages have bytes, and are out. */
static void write_all(struct memclient *mc, uint8_t *base)
{
	for (unsigned i = 0; i < PAGES; i++)
		memset(base + i * PAGE, (int)i + 1, PAGE);
	assert_int_equal(memclient_advise(mc, base, PAGES * PAGE,
					  MEMCLIENT_ADVICE_PAGEOUT), 0);
}

/* What was late stays SIGBUS for a moment. */
static void verify_all(uint8_t *base)
{
	for (unsigned i = 0; i < PAGES; i++) {
		unsigned t = 0;

		while (!is_readable((void *)(base + i * PAGE))) {
			assert_true(t++ < 1000);
			usleep(10000);
		}
		for (unsigned j = 0; j < PAGE; j += 64)
			assert_int_equal(base[i * PAGE + j],
					 (uint8_t)(i + 1));
	}
}

static void stall(uint32_t fault_mode)
{
	struct memclient_stats s = { .size = sizeof(s) };
	struct toucher toucher[THREADS];
	struct memclient *mc;
	uint8_t *base;

	catch_sigbus();
	mc = open_memclient(1000);
	base = map(mc, fault_mode);
	await_mailbox(mc, base);
	write_all(mc, base);
	assert_int_equal(kill(memd.pid, SIGSTOP), 0);
	start_touching(toucher, base);
	expect_lost(toucher);
	assert_int_equal(kill(memd.pid, SIGCONT), 0);
	verify_all(base);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.pages_lost, 0);
	for (unsigned i = 0; i < 6000 && cells_not_free(mc) != 0; i++)
		usleep(10000);
	assert_int_equal(cells_not_free(mc), 0);
	assert_int_equal(atomic_load(&mc->box.users), 0);
	memclient_close(mc);
	client_await_counter(admin, "committed_units", 0);
	client_await_counter(admin, "faults_waiting", 0);
}

static void stalled_inline(void **state)
{
	(void)state;
	stall(MEMCLIENT_FAULT_INLINE);
}

static void stalled_thread(void **state)
{
	(void)state;
	stall(MEMCLIENT_FAULT_THREAD);
}

/* As kernels before 6.6: what can be done there instead is for good, so the
 * threads wait on. */
static void stalled_without_poison(void **state)
{
	struct memclient_stats s = { .size = sizeof(s) };
	struct toucher toucher[THREADS];
	struct memclient *mc;
	uint8_t *base;

	(void)state;
	catch_sigbus();
	mc = open_memclient(500);
	base = map(mc, MEMCLIENT_FAULT_THREAD);
	mc->space.can_poison = false;
	write_all(mc, base);
	assert_int_equal(kill(memd.pid, SIGSTOP), 0);
	start_touching(toucher, base);
	usleep(1200000);
	assert_int_equal(kill(memd.pid, SIGCONT), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(toucher[i].thread, NULL);
		assert_true(toucher[i].was_readable);
	}
	verify_all(base);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.pages_lost, 0);
	memclient_close(mc);
}

/* ---- a program that is stopped */

enum { STOP_TIMEOUT_MS = 3000 };

/* Says so when a thread waits for a page; ends with 0 if it got it. */
static void wait_and_be_stopped(uint32_t fault_mode, int told)
{
	struct memclient *mc = open_memclient(STOP_TIMEOUT_MS);
	uint8_t *base = map(mc, fault_mode);
	struct toucher t = { .at = (uint64_t *)base };
	char byte = 0;

	write_all(mc, base);
	if (kill(memd.pid, SIGSTOP) != 0 ||
	    pthread_create(&t.thread, NULL, touch_one, &t) != 0)
		_exit(2);
	usleep(300000);		/* by now it waits, most likely */
	if (write(told, &byte, 1) != 1)
		_exit(2);
	pthread_join(t.thread, NULL);
	_exit(t.was_readable && base[100] == 1 ? 0 : 1);
}

static void stop(uint32_t fault_mode)
{
	int told[2], status;
	char byte;
	pid_t pid;

	catch_sigbus();
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		wait_and_be_stopped(fault_mode, told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	usleep((STOP_TIMEOUT_MS + 500) * 1000);
	assert_int_equal(kill(pid, SIGCONT), 0);
	usleep(50000);		/* as if it were late */
	assert_int_equal(kill(memd.pid, SIGCONT), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(told[0]);
	close(told[1]);
}

static void stopped_inline(void **state)
{
	(void)state;
	stop(MEMCLIENT_FAULT_INLINE);
}

static void stopped_thread(void **state)
{
	(void)state;
	stop(MEMCLIENT_FAULT_THREAD);
}

static void no_descriptor_to_ring_with(void **state)
{
	struct rlimit before, none = { 0 };
	struct toucher toucher[THREADS];
	uint64_t requests = client_counter(admin, "mailbox_requests");
	struct memclient *mc;
	uint8_t *base;

	(void)state;
	catch_sigbus();
	mc = open_memclient(60000);
	base = map(mc, MEMCLIENT_FAULT_INLINE);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (unsigned round = 0; round < 20; round++) {
		start_touching(toucher, base);
		for (unsigned i = 0; i < THREADS; i++) {
			pthread_join(toucher[i].thread, NULL);
			assert_true(toucher[i].was_readable);
		}
		assert_int_equal(memclient_advise(mc, base, PAGES * PAGE,
						  MEMCLIENT_ADVICE_DONTNEED),
				 0);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	memclient_close(mc);
	assert_true(client_counter(admin, "mailbox_requests") > requests);
}

static void a_child_has_none(void **state)
{
	struct memclient *mc = open_memclient(60000);
	uint8_t *base = map(mc, MEMCLIENT_FAULT_THREAD);
	int status;
	pid_t pid;

	(void)state;
	await_mailbox(mc, base);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uintptr_t at = (uintptr_t)mc->box.shared;
		bool is_mapped = msync((void *)at, PAGE, MS_ASYNC) == 0;
		/* It may use these addresses for something of its own. */
		void *own = mmap((void *)at, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS |
				 MAP_FIXED_NOREPLACE, -1, 0);

		memclient_close(mc);
		_exit(is_mapped ? 1 : own == MAP_FAILED ? 2 :
		      msync(own, PAGE, MS_ASYNC) != 0 ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(is_readable((void *)(base + 50 * PAGE)));
	memclient_close(mc);
}

/* The last test: memd is gone after it. */
static void killed_while_threads_wait(void **state)
{
	struct toucher toucher[THREADS];
	struct memclient *mc;
	uint8_t *base;

	(void)state;
	catch_sigbus();
	mc = open_memclient(1500);
	base = map(mc, MEMCLIENT_FAULT_INLINE);
	await_mailbox(mc, base);
	assert_int_equal(kill(memd.pid, SIGSTOP), 0);
	start_touching(toucher, base);
	while (atomic_load(&mc->box.asking) < THREADS)
		usleep(1000);
	testmemd_kill(&memd);
	expect_lost(toucher);
	assert_int_equal(atomic_load(&mc->box.generation), 0);
	assert_int_equal(atomic_load(&mc->box.users), 0);
	memclient_close(mc);
}

static int begin(void **state)
{
	static const char *const flags[] = { "--store=mem", "--busy-poll=0",
					     NULL };

	(void)state;
	if (testmemd_start(&memd, flags) != 0)
		return -1;
	admin = client_open(&memd, true, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close(admin);
	return memd.pid != 0 ? testmemd_stop(&memd) : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stalled_inline),
		cmocka_unit_test(stalled_thread),
		cmocka_unit_test(stalled_without_poison),
		cmocka_unit_test(stopped_inline),
		cmocka_unit_test(stopped_thread),
		cmocka_unit_test(no_descriptor_to_ring_with),
		cmocka_unit_test(a_child_has_none),
		cmocka_unit_test(killed_while_threads_wait),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
