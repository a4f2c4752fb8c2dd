/* SPDX-License-Identifier: MIT */
/* Proves M2 and M3 of proto/mailbox.h, with a real memd that goes to sleep
 * after every request, or almost: threads fault again and again, after pauses
 * that let each of the two sides fall asleep at every moment of what the other
 * one does.  Nobody's sleep is ended by the clock instead of by a wake-up,
 * and every page reads as zeros, then as what was written to it.  Threads that
 * fault inline ring with the bell; if the program has closed it, they get their
 * pages all the same.
 *
 * That a wake-up was lost is counted where the clock repairs it: see
 * box.overslept.  Time decides nothing here. */
#include "client/client.h"
#include "tests/integration/daemon_client.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef __SANITIZE_THREAD__	/* each takes ten times as long */
enum { FAULTS = 3000 };
#else
enum { FAULTS = 24000 };		/* in each test, of all threads */
#endif

enum {
	THREADS_MAX = 4,
	PAGES = 64,			/* each thread's own */
	PAGE = 4096,
	PAUSE_MAX = 3000,		/* turns of an empty loop: some µs */
};

struct faulter {
	struct memclient *mc;
	uint8_t *pages;
	unsigned rounds;
	uint64_t rng;
	pthread_t thread;
	const char *failed;
};

static struct testmemd memd;
static int admin = -1;

static uint64_t next_random(uint64_t *rng)
{
	*rng = *rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *rng >> 33;
}

static void pause_somewhat(uint64_t *rng)
{
	volatile unsigned turns = (unsigned)(next_random(rng) % PAUSE_MAX);

	/* Half of the time none: several ask at once. */
	if (next_random(rng) % 2 == 0)
		while (turns > 0)
			turns--;
}

static const char *touch_page(volatile uint64_t *at, uint64_t value)
{
	if (*at != 0)
		return "a dropped page is not zero";
	*at = value;
	return *at == value ? NULL : "a page does not keep its bytes";
}

static void *fault_on(void *arg)
{
	struct faulter *f = arg;

	for (unsigned i = 0; i < f->rounds && f->failed == NULL; i++) {
		if (atomic_load(&f->mc->box.overslept) != 0)
			f->failed = "a wake-up or a ring got lost";
		else if (memclient_advise(f->mc, f->pages, PAGES * PAGE,
					  MEMCLIENT_ADVICE_DONTNEED) != 0)
			f->failed = "DONTNEED failed";
		for (size_t page = 0; page < PAGES && f->failed == NULL;
		     page++) {
			pause_somewhat(&f->rng);
			f->failed = touch_page((void *)(f->pages +
							page * PAGE),
					       f->rng | 1);
		}
	}
	return NULL;
}

static struct memclient *open_memclient(void)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = 60000 };
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

/* Returns what went wrong, or NULL. */
static const char *run_threads(struct memclient *mc, uint8_t *base,
			       unsigned count)
{
	struct faulter f[THREADS_MAX];
	const char *failed = NULL;

	for (unsigned i = 0; i < count; i++) {
		f[i] = (struct faulter){ .mc = mc,
			.pages = base + (size_t)i * PAGES * PAGE,
			.rounds = FAULTS / PAGES / count, .rng = i + 1 };
		assert_int_equal(pthread_create(&f[i].thread, NULL, fault_on,
						&f[i]), 0);
	}
	for (unsigned i = 0; i < count; i++) {
		pthread_join(f[i].thread, NULL);
		if (f[i].failed != NULL)
			failed = f[i].failed;
	}
	return failed;
}

/* How often memd was rung, and by what. */
struct rung {
	uint64_t all, bell;
};

static struct rung rung_since(struct rung before)
{
	return (struct rung){
		.all = client_counter(admin, "mailbox_rings") - before.all,
		.bell = client_counter(admin, "bells_rung") - before.bell,
	};
}

static void go_with(uint32_t fault_mode, unsigned thread_count, bool has_bell)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .fault_mode = fault_mode };
	uint64_t asked = client_counter(admin, "mailbox_requests");
	struct rung rung = rung_since((struct rung){ 0 });
	struct memclient *mc = open_memclient();
	const char *failed;
	uint64_t overslept;
	void *base;

	/* No thread has fetched the bell yet, and from here it comes. */
	if (!has_bell)
		close(mc->bell.hook.fd[0]);
	/* cmocka has put its own in place for this test. */
	signal(SIGBUS, SIG_DFL);
	assert_int_equal(memclient_map(mc, THREADS_MAX * PAGES * PAGE, &o,
				       &base), 0);
	/* Each page is a request of its own. */
	assert_int_equal(memclient_advise(mc, base, THREADS_MAX * PAGES * PAGE,
					  MEMCLIENT_ADVICE_RANDOM), 0);
	failed = run_threads(mc, base, thread_count);
	overslept = atomic_load(&mc->box.overslept);
	memclient_close(mc);
	asked = client_counter(admin, "mailbox_requests") - asked;
	rung = rung_since(rung);
	print_message("%llu requests, %llu rings, %llu by the bell, %llu "
		      "overslept\n", (unsigned long long)asked,
		      (unsigned long long)rung.all,
		      (unsigned long long)rung.bell,
		      (unsigned long long)overslept);
	if (failed != NULL)
		fail_msg("%s", failed);
	/* It is the mailbox that was used, and it did sleep. */
	assert_true(asked > FAULTS / 2);
	assert_true(rung.all > 0);
	assert_int_equal(rung.bell > 0,
			 has_bell && fault_mode == MEMCLIENT_FAULT_INLINE);
	/* Who relies on a thread that cannot ring may oversleep: X5. */
	assert_true(overslept == 0 || !has_bell);
}

static void go(uint32_t fault_mode, unsigned thread_count)
{
	go_with(fault_mode, thread_count, true);
}

static void inline_alone(void **state)
{
	(void)state;
	go(MEMCLIENT_FAULT_INLINE, 1);
}

static void inline_together(void **state)
{
	(void)state;
	go(MEMCLIENT_FAULT_INLINE, THREADS_MAX);
}

static void inline_without_the_bell(void **state)
{
	(void)state;
	go_with(MEMCLIENT_FAULT_INLINE, 1, false);
	go_with(MEMCLIENT_FAULT_INLINE, THREADS_MAX, false);
}

static void thread_alone(void **state)
{
	(void)state;
	go(MEMCLIENT_FAULT_THREAD, 1);
}

static void thread_together(void **state)
{
	(void)state;
	go(MEMCLIENT_FAULT_THREAD, THREADS_MAX);
}

static int begin(const char *busy_poll)
{
	const char *flags[] = { "--store=mem", "--log-level=warning",
				busy_poll, NULL };

	if (testmemd_start(&memd, flags) != 0)
		return -1;
	admin = client_open(&memd, true, NULL);
	return 0;
}

static int begin_sleepy(void **state)
{
	(void)state;
	return begin("--busy-poll=0");
}

static int begin_drowsy(void **state)
{
	(void)state;
	return begin("--busy-poll=1");
}

static int end(void **state)
{
	(void)state;
	close(admin);
	return testmemd_stop(&memd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inline_alone),
		cmocka_unit_test(inline_together),
		cmocka_unit_test(inline_without_the_bell),
		cmocka_unit_test(thread_alone),
		cmocka_unit_test(thread_together),
	};
	int failed = cmocka_run_group_tests_name("busy_poll = 0", tests,
						 begin_sleepy, end);

	return failed + cmocka_run_group_tests_name("busy_poll = 1", tests,
						    begin_drowsy, end);
}
