/* SPDX-License-Identifier: MIT */
/* Proves: programs that bring pages in without memd read and write the right
 * bytes, private and shared, with each swap store, from many threads, beside
 * programs that ask memd for every page, while others drop and evict pages, and
 * while they fork.  Each byte is compared with a model outside of the memory.
 * Nothing that was lent stays away. */
#include "tests/integration/onesided_task.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { PROGRAMS_MOST = 4 };

/* ---- private memory */

static void use_private(void *arg)
{
	const struct task *t = arg;
	struct memclient *mc = program_open(&memd, 0);
	struct crew crew;

	crew = crew_of(t, area_of(t, mc));
	crew_verify(&crew);		/* zeros */
	crew_fill(&crew);
	if (t->is_one_sided)
		crew_run_until(&crew, &memd,
			       program_counter(&memd, "faults_one_sided") +
			       ENOUGH);
	else
		crew_run(&crew);
	crew_verify(&crew);
	memclient_close(mc);
}

static void private_memory(const char *store, bool is_one_sided,
			   unsigned threads, uint32_t fault_mode)
{
	struct task t = {
		.model = model_create(UNITS, 1),
		.fault_mode = fault_mode,
		.threads = threads,
		.is_one_sided = is_one_sided,
	};

	start(store, is_one_sided ? "--one-sided=yes" : "--one-sided=no");
	program_run(use_private, &t);
	if (!is_one_sided)
		assert_int_equal(counter("faults_one_sided"), 0);
	stop();
	model_destroy(t.model);
}

static void one_thread_faults_alone(void **state)
{
	(void)state;
	private_memory("--store=auto", true, 1, MEMCLIENT_FAULT_INLINE);
	private_memory("--store=auto", true, 1, MEMCLIENT_FAULT_THREAD);
}

static void threads_fault_alone(void **state)
{
	(void)state;
	private_memory("--store=auto", true, 8, MEMCLIENT_FAULT_INLINE);
	private_memory("--store=auto", true, 8, MEMCLIENT_FAULT_THREAD);
}

static void threads_fault_alone_with_sync(void **state)
{
	(void)state;
	private_memory("--store=sync", true, 1, MEMCLIENT_FAULT_INLINE);
	private_memory("--store=sync", true, 8, MEMCLIENT_FAULT_INLINE);
	private_memory("--store=sync", true, 8, MEMCLIENT_FAULT_THREAD);
}

static void nobody_faults_alone_where_it_is_off(void **state)
{
	(void)state;
	private_memory("--store=auto", false, 8, MEMCLIENT_FAULT_INLINE);
	private_memory("--store=auto", false, 8, MEMCLIENT_FAULT_THREAD);
}

/* ---- shared memory */

static void use_shared(void *arg)
{
	const struct task *t = arg;
	struct memclient *mc = program_open(&memd, 0);
	struct crew crew = crew_of(t, area_of(t, mc));

	crew_run_until(&crew, &memd, ENOUGH);
	crew_verify(&crew);
	memclient_close(mc);
}

/* The model lets them at each unit one after the other. */
static void programs_share(unsigned count)
{
	struct model *model = model_create(UNITS, 2);
	struct task t[PROGRAMS_MOST];
	pid_t pid[PROGRAMS_MOST];

	for (unsigned i = 0; i < count; i++)
		t[i] = (struct task){
			.model = model,
			.name = "shared",
			.fault_mode = i % 2 == 0 ? MEMCLIENT_FAULT_INLINE :
						   MEMCLIENT_FAULT_THREAD,
			.threads = 1 + i,
			.seed = 100 * i,
		};
	start("--log-level=info", NULL);
	program_run(make_segment, &t[0]);
	for (unsigned i = 0; i < count; i++)
		pid[i] = program_start(use_shared, &t[i]);
	for (unsigned i = 0; i < count; i++)
		program_expect_good(pid[i]);
	program_run(unlink_segment, &t[0]);
	stop();
	model_destroy(model);
}

static void two_programs_share(void **state)
{
	(void)state;
	programs_share(2);
}

static void four_programs_share(void **state)
{
	(void)state;
	programs_share(4);
}

/* Bytes that this process has read. */
static uint64_t bytes_read(void)
{
	FILE *io = fopen("/proc/self/io", "r");
	uint64_t bytes = 0;

	NEED(io != NULL);
	NEED(fscanf(io, "rchar: %" SCNu64, &bytes) == 1);
	fclose(io);
	return bytes;
}

/* Two connections of one program fault on the same pages: the second finds what
 * the first has read, also while the book does not say so. */
static void follow(void *arg)
{
	enum { PAGES = 200 };
	const struct task *t = arg;
	struct memclient *mc[2];
	volatile const uint8_t *area[2];
	uint64_t bytes[2] = { 0, 0 }, rng = 1;

	for (unsigned i = 0; i < 2; i++) {
		mc[i] = program_open(&memd, 0);
		area[i] = area_of(t, mc[i]);
	}
	for (unsigned n = 0; n < PAGES; n++) {
		size_t at = model_random(&rng) % UNITS * UNIT_BYTES;
		uint8_t byte[2];

		for (unsigned i = 0; i < 2; i++) {
			uint64_t before = bytes_read();

			byte[i] = area[i][at];
			bytes[i] += bytes_read() - before;
		}
		NEED(byte[0] == byte[1]);
	}
	for (unsigned i = 0; i < 2; i++)
		memclient_close(mc[i]);
	NEED(bytes[0] > PAGES / 2 * UNIT_BYTES);
	NEED(bytes[1] < PAGES / 4 * UNIT_BYTES);
}

static void sharers_read_once(void **state)
{
	struct task t = {
		.model = model_create(UNITS, 1),
		.name = "followed",
		.fault_mode = MEMCLIENT_FAULT_INLINE,
		.threads = 1,
	};

	(void)state;
	start(NULL, NULL);
	program_run(make_segment, &t);
	program_run(follow, &t);
	program_run(unlink_segment, &t);
	stop();
	model_destroy(t.model);
}

/* ---- memory that is dropped and evicted meanwhile */

enum { RANGE = 64, RANGES = UNITS / 2 / RANGE };

struct dropper {
	struct crew crew;	/* of the other half */
	struct memclient *mc;
	atomic_uint has_ended;
};

/* It may be refused while no frame is free. */
static int advise(struct memclient *mc, uint8_t *at, size_t bytes, int advice)
{
	int err;

	do
		err = memclient_advise(mc, at, bytes, advice);
	while (err == -EBUSY);
	return err;
}

static int drop_unit(void *mc, void *at)
{
	return advise(mc, at, UNIT_BYTES, MEMCLIENT_ADVICE_DONTNEED);
}

static int has_been_dropped(void *arg, void *at)
{
	(void)arg;
	(void)at;
	return 0;
}

/* In the half that only this thread uses: written, evicted, a part of it
 * dropped. */
static void drop_range(struct dropper *d, uint32_t first)
{
	struct crew range = d->crew;
	uint32_t third = first + RANGE / 3;

	range.first = first;
	range.count = RANGE;
	crew_verify(&range);
	crew_fill(&range);
	NEED(advise(d->mc, range.area + (size_t)first * UNIT_BYTES,
		    RANGE * UNIT_BYTES, MEMCLIENT_ADVICE_PAGEOUT) == 0);
	NEED(advise(d->mc, range.area + (size_t)third * UNIT_BYTES,
		    RANGE / 3 * UNIT_BYTES, MEMCLIENT_ADVICE_DONTNEED) == 0);
	for (uint32_t i = 0; i < RANGE / 3; i++)
		NEED(model_drop(range.model, range.area, third + i,
				has_been_dropped, NULL) == 0);
	crew_verify(&range);
}

/* In the half where others fault: single pages are dropped, all may be
 * evicted. */
static void *drop_all_the_time(void *arg)
{
	struct dropper *d = arg;
	uint64_t rng = d->crew.seed;

	for (unsigned i = 0; atomic_load(&d->has_ended) == 0; i++) {
		uint32_t unit = (uint32_t)(model_random(&rng) >> 8) %
				(UNITS / 2 - RANGE);

		drop_range(d, UNITS / 2 + i % RANGES * RANGE);
		NEED(advise(d->mc, d->crew.area + (size_t)unit * UNIT_BYTES,
			    RANGE * UNIT_BYTES,
			    MEMCLIENT_ADVICE_PAGEOUT) == 0);
		NEED(model_drop(d->crew.model, d->crew.area, unit, drop_unit,
				d->mc) == 0);
	}
	return NULL;
}

static void drop_and_fault(void *arg)
{
	const struct task *t = arg;
	struct dropper d = { .mc = program_open(&memd, 0) };
	struct crew others;
	pthread_t thread;

	d.crew = crew_of(t, area_of(t, d.mc));
	others = d.crew;
	others.count = UNITS / 2;
	NEED(pthread_create(&thread, NULL, drop_all_the_time, &d) == 0);
	crew_run_until(&others, &memd, 4 * ENOUGH);
	atomic_store(&d.has_ended, 1);
	NEED(pthread_join(thread, NULL) == 0);
	crew_verify(&d.crew);
	memclient_close(d.mc);
}

static void drop_in_mode(uint32_t fault_mode)
{
	struct task t = {
		.model = model_create(UNITS, 4),
		.fault_mode = fault_mode,
		.threads = 4,
	};

	start("--log-level=info", NULL);
	program_run(drop_and_fault, &t);
	stop();
	model_destroy(t.model);
}

static void dropped_pages_are_zeros(void **state)
{
	(void)state;
	drop_in_mode(MEMCLIENT_FAULT_INLINE);
	drop_in_mode(MEMCLIENT_FAULT_THREAD);
}

/* ---- fork */

/* Files without a name that are in memd's folder. */
static unsigned swap_files_here(void)
{
	char path[300], target[300];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");

	NEED(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%s",
			 entry->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		count += strncmp(target, memd.dir, strlen(memd.dir)) == 0 &&
			 strstr(target, "(deleted)") != NULL;
	}
	closedir(dir);
	return count;
}

enum { FORKS = 40 };

static void *fork_often(void *arg)
{
	atomic_uint *has_ended = arg;

	for (unsigned i = 0; i < FORKS; i++) {
		pid_t pid = fork();
		int status;

		NEED(pid >= 0);
		if (pid == 0)
			_exit(swap_files_here() == 0 ? 0 : 2);
		NEED(waitpid(pid, &status, 0) == pid);
		NEED(status == 0);
	}
	atomic_store(has_ended, 1);
	return NULL;
}

static void fork_and_go_on(void *arg)
{
	const struct task *t = arg;
	struct memclient *mc = program_open(&memd, 0);
	struct crew crew = crew_of(t, area_of(t, mc));
	atomic_uint has_ended = 0;
	pthread_t thread;

	crew_fill(&crew);
	NEED(pthread_create(&thread, NULL, fork_often, &has_ended) == 0);
	while (atomic_load(&has_ended) == 0)
		crew_run(&crew);
	NEED(pthread_join(thread, NULL) == 0);
	crew_run_until(&crew, &memd,
		       program_counter(&memd, "faults_one_sided") + ENOUGH);
	NEED(swap_files_here() > 0);
	NEED(fork_often(&has_ended) == NULL);
	crew_run(&crew);
	crew_verify(&crew);
	memclient_close(mc);
	NEED(swap_files_here() == 0);
}

static void children_have_no_files(void **state)
{
	struct task t = {
		.model = model_create(UNITS, 5),
		.fault_mode = MEMCLIENT_FAULT_INLINE,
		.threads = 4,
	};

	(void)state;
	start("--log-level=info", NULL);
	program_run(fork_and_go_on, &t);
	stop();
	model_destroy(t.model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread_faults_alone),
		cmocka_unit_test(threads_fault_alone),
		cmocka_unit_test(threads_fault_alone_with_sync),
		cmocka_unit_test(nobody_faults_alone_where_it_is_off),
		cmocka_unit_test(two_programs_share),
		cmocka_unit_test(four_programs_share),
		cmocka_unit_test(sharers_read_once),
		cmocka_unit_test(dropped_pages_are_zeros),
		cmocka_unit_test(children_have_no_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
