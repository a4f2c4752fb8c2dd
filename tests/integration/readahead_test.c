/* SPDX-License-Identifier: MIT */
/* Proves, with the library, memd and the kernel, in both fault modes and in
 * memory four times as large as the pool: who reads in order hardly faults, and
 * who goes backward or in steps finds what it wants read ahead; two programs
 * can do so in one segment; and every word they read is right.  How fast that
 * is, is the benchmark's business. */
#include "tests/integration/testadmin.h"

#include "common/checks.h"
#include <memclient.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	PAGE_WORDS = 4096 / 8,
	PAGES = 64 * 256,		/* 64 MiB, the pool is 16 MiB */
};

static const uint32_t modes[] = {
	MEMCLIENT_FAULT_INLINE, MEMCLIENT_FAULT_THREAD,
};

static struct testmemd memd;

static struct memclient *open_client(void)
{
	struct memclient *mc;

	/* cmocka takes it at the beginning of each test; inline mode needs
	 * it. */
	(void)signal(SIGBUS, SIG_DFL);

	if (memclient_open(memd.socket, NULL, &mc) != 0)
		fail_msg("%s", memclient_error(NULL));
	return mc;
}

static uint64_t *map(struct memclient *mc, uint32_t mode)
{
	const struct memclient_map_options o = {
		.size = sizeof(o), .fault_mode = mode,
	};
	void *p;

	if (memclient_map(mc, (size_t)PAGES * 4096, &o, &p) != 0)
		fail_msg("%s", memclient_error(mc));
	return p;
}

static uint64_t value_of(size_t word)
{
	return (word + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(uint64_t *words)
{
	for (size_t i = 0; i < (size_t)PAGES * PAGE_WORDS; i++)
		words[i] = value_of(i);
}

static bool is_right(const uint64_t *words, size_t page)
{
	bool is_equal = true;

	for (size_t i = page * PAGE_WORDS; i < (page + 1) * PAGE_WORDS; i++)
		is_equal &= words[i] == value_of(i);
	return is_equal;
}

/* The faults of a session that memd has answered.  How many a program serves
 * alone depends on whether the library's thread, which maps what has come
 * ahead, gets a processor in time. */
static uint64_t faults_of(struct memclient *mc)
{
	struct memclient_stats s = { .size = sizeof(s) };

	assert_int_equal(memclient_stats(mc, &s), 0);
	return s.faults_zero + s.faults_hit + s.faults_swap_in +
	       s.faults_put_back;
}

static uint64_t counter(const char *name)
{
	uint64_t value;

	assert_int_equal(testadmin_counter(&memd, name, &value), 0);
	return value;
}

/* Write all words, and have all pages taken out. */
static void fill_and_page_out(struct memclient *mc, uint64_t *words)
{
	fill(words);
	if (memclient_advise(mc, words, (size_t)PAGES * 4096,
			     MEMCLIENT_ADVICE_PAGEOUT) != 0)
		fail_msg("%s", memclient_error(mc));
}

/* Read `count` pages, each `step` pages from the last. */
static void read_pages(const uint64_t *words, size_t first, int64_t step,
		       size_t count)
{
	for (size_t n = 0; n < count; n++) {
		size_t page = first + (size_t)(step * (int64_t)n);

		assert_true(page < PAGES);
		if (!is_right(words, page))
			fail_msg("page %zu is wrong", page);
	}
}

static void in_order(void **state)
{
	static const int64_t steps[] = { 1, -1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
			struct memclient *mc = open_client();
			uint64_t *words = map(mc, modes[i]);
			uint64_t before, faults;

			fill_and_page_out(mc, words);
			before = faults_of(mc);
			read_pages(words, steps[k] > 0 ? 0 : PAGES - 1,
				   steps[k], PAGES);
			faults = faults_of(mc) - before;
			print_message("%s, %+d: %llu faults for %d pages\n",
				      i == 0 ? "inline" : "thread",
				      (int)steps[k],
				      (unsigned long long)faults, PAGES);
			assert_true(faults * 64 < PAGES);
			memclient_close(mc);
			assert_int_equal(testadmin_await_empty(&memd), 0);
		}
}

/* A program that grows its memory, too. */
static void first_touches(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct memclient *mc = open_client();
		uint64_t *words = map(mc, modes[i]);
		uint64_t before = faults_of(mc), faults;

		/* What there is room for without taking any page out. */
		for (size_t page = 0; page < 3000; page++)
			words[page * PAGE_WORDS] = page + 1;
		faults = faults_of(mc) - before;
		print_message("%s: %llu faults for 3000 first touches\n",
			      i == 0 ? "inline" : "thread",
			      (unsigned long long)faults);
		assert_true(faults * 16 < 3000);
		for (size_t page = 0; page < 3000; page++)
			assert_int_equal(words[page * PAGE_WORDS], page + 1);
		memclient_close(mc);
		assert_int_equal(testadmin_await_empty(&memd), 0);
	}
}

static void in_steps(void **state)
{
	static const int64_t steps[] = { 2, 7, -16 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
			struct memclient *mc = open_client();
			uint64_t *words = map(mc, modes[i]);
			size_t count = PAGES / 16;
			uint64_t hits;

			fill_and_page_out(mc, words);
			hits = counter("readahead_hits");
			read_pages(words, steps[k] > 0 ? 0 : PAGES - 1,
				   steps[k], count);
			hits = counter("readahead_hits") - hits;
			print_message("%s, %+d: %llu hits for %zu pages\n",
				      i == 0 ? "inline" : "thread",
				      (int)steps[k], (unsigned long long)hits,
				      count);
			assert_true(hits > count / 2);
			memclient_close(mc);
			assert_int_equal(testadmin_await_empty(&memd), 0);
		}
}

/* Two programs that read one segment, each its own way, while a third changes
 * words that nobody looks at.  The segment is made by a fourth: what forks has
 * no threads here, as sanitizers want it. */
static uint64_t *attach(struct memclient *mc, uint32_t mode)
{
	const struct memclient_map_options o = {
		.size = sizeof(o), .fault_mode = mode,
	};
	void *p;

	return memclient_attach(mc, "shared", &o, &p, NULL) == 0 ? p : NULL;
}

static bool make(struct memclient *mc)
{
	uint64_t *words;

	if (memclient_segment_create(mc, "shared", (size_t)PAGES * 4096,
				     NULL) != 0)
		return false;
	words = attach(mc, MEMCLIENT_FAULT_THREAD);
	if (words != NULL)
		fill(words);
	return words != NULL;
}

static bool read_forward(struct memclient *mc)
{
	const uint64_t *words = attach(mc, MEMCLIENT_FAULT_INLINE);
	bool is_good = words != NULL;

	for (size_t i = 0; is_good && i < (size_t)PAGES * PAGE_WORDS; i++)
		is_good = i % PAGE_WORDS == 0 || words[i] == value_of(i);
	return is_good;
}

static bool read_backward(struct memclient *mc)
{
	const uint64_t *words = attach(mc, MEMCLIENT_FAULT_THREAD);
	bool is_good = words != NULL;

	for (size_t i = (size_t)PAGES * PAGE_WORDS; is_good && i-- > 0;)
		is_good = i % PAGE_WORDS == 0 || words[i] == value_of(i);
	return is_good;
}

static bool write_around(struct memclient *mc)
{
	uint64_t *words = attach(mc, MEMCLIENT_FAULT_INLINE);

	for (size_t n = 0; words != NULL && n < PAGES; n++)
		words[n * 7919 % PAGES * PAGE_WORDS] = n;
	return words != NULL;
}

static bool take_name(struct memclient *mc)
{
	return memclient_segment_unlink(mc, "shared") == 0;
}

static pid_t start_program(bool (*body)(struct memclient *mc))
{
	pid_t pid = fork();
	struct memclient *mc;
	bool is_good;

	if (pid != 0)
		return pid;
	(void)signal(SIGBUS, SIG_DFL);
	if (memclient_open(memd.socket, NULL, &mc) != 0)
		_exit(2);
	is_good = body(mc);
	memclient_close(mc);
	_exit(is_good ? 0 : 1);
}

static void await_program(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void several_programs(void **state)
{
	pid_t pid[3];

	(void)state;
	await_program(start_program(make));
	pid[0] = start_program(read_forward);
	pid[1] = start_program(read_backward);
	pid[2] = start_program(write_around);
	for (unsigned i = 0; i < 3; i++)
		await_program(pid[i]);
	await_program(start_program(take_name));
	assert_int_equal(testadmin_await_empty(&memd), 0);
}

static int start(void **state)
{
	static const char *const flags[] = {
		"--pool-size=16M", "--swap-size=96M", "--log-level=info", NULL,
	};

	(void)state;
	return testmemd_start(&memd, flags);
}

static int stop(void **state)
{
	(void)state;
	return testmemd_stop(&memd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(first_touches),
		cmocka_unit_test(in_steps),
		cmocka_unit_test(several_programs),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
