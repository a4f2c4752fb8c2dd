/* SPDX-License-Identifier: MIT */
/* Proves what a saved trace has learnt, and so what a replay brings in: the
 * pages that a program has asked for, touched, or passed; none that memd has
 * only read ahead, or mapped along with a neighbour, or brought in for another
 * replay.
 *
 * The program speaks memd's protocol by hand, so it uses no page by chance. */
#include "common/checks.h"
#include "tests/integration/daemon_client.h"
#include "tests/integration/replay_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char name[] = "learnt";

struct program {
	int fd;
	uint32_t segment;
};

/* ---- a program */

static struct program program_start(void)
{
	struct program p = {
		.fd = client_open_with(&scene.memd,
				       MEMD__CAPABILITY__CAP_READY, NULL),
	};

	close(client_attach(p.fd, name, false, &p.segment));
	return p;
}

/* Returns when the answer and all that is read ahead because of it is there. */
static void program_fault(const struct program *p, uint64_t page)
{
	client_send_fault(p->fd, 7, p->segment, page);
	assert_int_equal(client_receive_fault(p->fd, 7, page), 0);
	client_await_counter(scene.admin, "loading_frames", 0);
}

/* Returns when memd has read it. */
static void program_touch(const struct program *p, uint64_t page)
{
	uint64_t before = client_counter(scene.admin, "minor_reported");
	Memd__Range range = MEMD__RANGE__INIT, *pointer[] = { &range };
	Memd__Touched touched = MEMD__TOUCHED__INIT;

	range.first = page;
	range.count = 1;
	touched.segment = p->segment;
	touched.n_range = 1;
	touched.range = pointer;
	client_send(p->fd, T(TOUCHED), 0, &touched.base);
	client_await_counter(scene.admin, "minor_reported", before + 1);
	client_await_counter(scene.admin, "loading_frames", 0);
}

/* ---- the file */

struct learning {
	char path[96];
	pid_t memctl;
};

static struct learning learning_begin(void)
{
	struct learning ln = { .memctl = 0 };
	char option[128];

	snprintf(ln.path, sizeof(ln.path), "%s/order", scene.memd.dir);
	snprintf(option, sizeof(option), "--save=%s", ln.path);
	ln.memctl = scene_start_trace(option);
	return ln;
}

static void learning_end(const struct learning *ln)
{
	scene_end_trace(ln->memctl);
}

/* The file has these lines, { first, count }, in this order. */
static void expect_learnt(const struct learning *ln,
			  const uint64_t (*run)[2], size_t count)
{
	FILE *file = fopen(ln->path, "r");
	char line[64], want[64];

	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	for (size_t i = 0; i < count; i++) {
		snprintf(want, sizeof(want), "%s\t%llu\t%llu\n", name,
			 (unsigned long long)run[i][0],
			 (unsigned long long)run[i][1]);
		assert_non_null(fgets(line, sizeof(line), file));
		assert_string_equal(line, want);
	}
	assert_null(fgets(line, sizeof(line), file));
	fclose(file);
}

/* Replayed from an empty pool, this is all that comes in. */
static void expect_replay_brings(const struct learning *ln, uint64_t pages)
{
	scene_evict_all();
	scene_expect_success(scene_spawn("replay", ln->path));
	client_await_counter(scene.admin, "loading_frames", 0);
	assert_int_equal(client_counter(scene.admin, "resident_frames"),
			 pages);
}

#define EXPECT_LEARNT(ln, ...)						\
	do {								\
		static const uint64_t run_[][2] = { __VA_ARGS__ };	\
		expect_learnt(ln, run_, ARRAY_SIZE(run_));		\
	} while (0)

/* ---- what is learnt */

static void pages_read_ahead_in_vain_are_not_learnt(void **state)
{
	uint64_t ahead = client_counter(scene.admin, "readahead_pages");
	struct program p = program_start();
	struct learning ln = learning_begin();

	(void)state;
	/* Two pages in order: memd guesses that more will follow. */
	program_fault(&p, 100);
	program_fault(&p, 101);
	assert_true(client_counter(scene.admin, "readahead_pages") >=
		    ahead + 8);
	/* The answer covers its neighbours, too. */
	program_fault(&p, 500);
	program_fault(&p, 501);
	learning_end(&ln);
	EXPECT_LEARNT(&ln, { 100, 2 }, { 500, 2 });
	expect_replay_brings(&ln, 4);
	close(p.fd);
}

/* In mid-window it is a touch that tells where the reader is, at the end of a
 * window a fault. */
static void pages_that_a_reader_has_passed_are_learnt(void **state)
{
	struct program p = program_start();
	struct learning ln = learning_begin();

	(void)state;
	program_fault(&p, 200);
	program_fault(&p, 201);
	program_touch(&p, 206);
	program_fault(&p, 211);
	learning_end(&ln);
	EXPECT_LEARNT(&ln, { 200, 12 });
	expect_replay_brings(&ln, 12);
	close(p.fd);
}

static void pages_of_a_backward_reader_are_learnt(void **state)
{
	static const uint64_t first = 300;
	struct program p = program_start();
	struct learning ln = learning_begin();

	(void)state;
	program_fault(&p, first + 9);
	program_fault(&p, first + 8);
	program_fault(&p, first);
	learning_end(&ln);
	EXPECT_LEARNT(&ln, { 309, 1 }, { 308, 1 }, { 301, 7 }, { 300, 1 });
	close(p.fd);
}

/* Steps of two are read with the pages between, which nobody wants. */
static void pages_between_the_steps_are_not_learnt(void **state)
{
	struct program p = program_start();
	struct learning ln = learning_begin();

	(void)state;
	for (uint64_t page = 400; page < 406; page += 2)
		program_fault(&p, page);
	program_fault(&p, 410);
	learning_end(&ln);
	EXPECT_LEARNT(&ln, { 400, 1 }, { 402, 1 }, { 404, 1 }, { 408, 1 },
		      { 406, 1 }, { 410, 1 });
	close(p.fd);
}

/* A page that is there, and was unmapped to see whether it is in use. */
static void touches_of_resident_pages_are_learnt(void **state)
{
	struct program p = program_start();
	struct learning ln;

	(void)state;
	program_fault(&p, 600);
	program_fault(&p, 700);
	ln = learning_begin();
	program_touch(&p, 600);
	program_fault(&p, 700);
	learning_end(&ln);
	EXPECT_LEARNT(&ln, { 600, 1 }, { 700, 1 });
	close(p.fd);
}

static void pages_of_a_replay_are_not_learnt(void **state)
{
	static const uint64_t guess[][2] = { { 800, 64 } };
	struct program p = program_start();
	struct learning ln = learning_begin();
	bool is_short;

	(void)state;
	scene_send(name, guess, 1);
	assert_int_equal(scene_receive(&is_short), 64);
	client_await_counter(scene.admin, "loading_frames", 0);
	/* Its answer maps those behind it as well. */
	program_fault(&p, 820);
	learning_end(&ln);
	EXPECT_LEARNT(&ln, { 820, 1 });
	expect_replay_brings(&ln, 1);
	close(p.fd);
}

/* ---- */

static int begin(void **state)
{
	(void)state;
	if (scene_begin(NULL) != 0)
		return -1;
	scene_make(name, PAGE);
	return 0;
}

static int begin_test(void **state)
{
	(void)state;
	scene_evict_all();
	return 0;
}

static int end(void **state)
{
	(void)state;
	scene_remove(name);
	scene_expect_empty();
	return scene_end();
}

#define LEARN_TEST(function) cmocka_unit_test_setup(function, begin_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEARN_TEST(pages_read_ahead_in_vain_are_not_learnt),
		LEARN_TEST(pages_that_a_reader_has_passed_are_learnt),
		LEARN_TEST(pages_of_a_backward_reader_are_learnt),
		LEARN_TEST(pages_between_the_steps_are_not_learnt),
		LEARN_TEST(touches_of_resident_pages_are_learnt),
		LEARN_TEST(pages_of_a_replay_are_not_learnt),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
