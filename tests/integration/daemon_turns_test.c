/* SPDX-License-Identifier: MIT */
/* Proves that what one client asks for does not cost the others more than
 * turns, however large the pool is: a bystander is answered while its
 * neighbour asks for as much as memd lets it, and memd looks at few frames.
 *
 * Judged by counters: of frames that memd has looked at, of what a neighbour
 * that sends without end gets done for each answer to the bystander, of
 * messages that waited for the next turn, and whether what is asked for at once
 * is seen half done.
 *
 * What the bystander waited is printed, beside what it waited when it was alone
 * and beside a neighbour that is as busy and harmless, and proves nothing.
 *
 * The pool is 64 GiB on any machine; only what is faulted in of it is there. */
#include "tests/integration/hostile_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	POOL_MIB = 64 << 10,
	FLOOD_ROUNDS = 1000000,		/* until the bystander has enough */
	LOOKS_PER_FAULT = 64,
	/* What a neighbour may get done for each answer.  A turn is less; the
	 * rest is for a bystander that gets no processor. */
	MESSAGES_PER_ANSWER = 1024,
	/* And for each that waits.  A few wait whatever the neighbour does. */
	MESSAGES_PER_DELAY = 256,
	ANY = INT32_MAX,
};

static struct testmemd memd;
static struct bystander bystander;
static int admin;

/* ---- a memd with a large pool */

#ifdef LARGE_MACHINE
static uint64_t choose_pool_mib(void)
{
	(void)setenv("LD_PRELOAD", LARGE_MACHINE, 1);
	return POOL_MIB;
}
#else
static uint64_t choose_pool_mib(void)
{
	struct sysinfo info;

	print_message("skip: a pool of 64 GiB: nothing can be preloaded into "
		      "a memd with a sanitizer; a quarter of the memory "
		      "instead\n");
	assert_int_equal(sysinfo(&info), 0);
	return info.totalram * info.mem_unit >> 22;
}
#endif

static int start(void **state)
{
	char pool[64];
	const char *flags[] = { pool, "--swap-size=6G", "--readahead=0",
				"--max-sessions=2048", "--uid-sessions=2048",
				"--max-segments=8192", "--uid-segments=8192",
				"--session-segments=8192",
				"--session-output=64M",
				"--log-level=notice", NULL };
	int err;

	(void)state;
	snprintf(pool, sizeof(pool), "--pool-size=%lluM",
		 (unsigned long long)choose_pool_mib());
	err = testmemd_start(&memd, flags);
	(void)unsetenv("LD_PRELOAD");
	if (err != 0)
		return -1;
	admin = client_open(&memd, true, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	close(admin);
	return testmemd_stop(&memd);
}

static int open_bystander(void **state)
{
	(void)state;
	bystander_open(&bystander, &memd);
	return 0;
}

static int close_bystander(void **state)
{
	(void)state;
	bystander_close(&bystander, admin);
	return 0;
}

/* ---- judging */

static double ratio(uint64_t a, uint64_t b)
{
	return (double)a / (double)b;
}

static void tell(const char *what, const char *beside,
		 const struct waits *with, const struct waits *other)
{
	print_message("information: %s: p50 %.0f us, p99 %.0f us, %.1f and "
		      "%.1f times what they are %s (%.0f us, %.0f us)\n", what,
		      ratio(with->p50_ns, 1000), ratio(with->p99_ns, 1000),
		      ratio(with->p50_ns, other->p50_ns),
		      ratio(with->p99_ns, other->p99_ns), beside,
		      ratio(other->p50_ns, 1000), ratio(other->p99_ns, 1000));
}

/* Returns how many frames memd has looked at; there is room for all. */
static uint64_t watch(const char *what, neighbour_life *live, unsigned rounds,
		      uint64_t most_per_answer, struct waits *ret_with)
{
	struct waits alone, harmless, with;
	uint64_t looks;

	alone = bystander_watch(&bystander, &memd, NULL, 0);
	harmless = bystander_watch(&bystander, &memd, harmless_faults,
				   FLOOD_ROUNDS);
	looks = client_counter(admin, "frames_examined");
	with = bystander_watch(&bystander, &memd, live, rounds);
	looks = client_counter(admin, "frames_examined") - looks;
	tell(what, "alone", &with, &alone);
	tell(what, "beside a harmless client", &with, &harmless);
	print_message("information: %s: %llu done, %llu answers, seen half "
		      "done %llu times\n", what,
		      (unsigned long long)with.work,
		      (unsigned long long)with.count,
		      (unsigned long long)with.seen_between);
	assert_true(with.work > 0);
	assert_true(with.work <= most_per_answer * with.count);
	*ret_with = with;
	return looks;
}

static void smallest_limit(void **state)
{
	struct waits with;
	uint64_t looks;

	(void)state;
	looks = watch("faults at the smallest limit", hostile_smallest_limit,
		      FLOOD_ROUNDS, MESSAGES_PER_ANSWER, &with);
	assert_true(looks > 0);
	assert_true(looks <= LOOKS_PER_FAULT * with.work);
}

struct hostile {
	const char *what;
	neighbour_life *live;
	unsigned rounds;
	uint64_t most_per_answer;
	bool is_in_turns;		/* which can be seen */
	bool is_delayed;		/* its messages come in bundles */
};

static void others(void **state)
{
	const struct hostile *h = *state;
	uint64_t delayed = client_counter(admin, "messages_delayed");
	struct waits with;

	assert_int_equal(watch(h->what, h->live, h->rounds,
			       h->most_per_answer, &with), 0);
	delayed = client_counter(admin, "messages_delayed") - delayed;
	assert_true(!h->is_delayed ||
		    delayed * MESSAGES_PER_DELAY >= with.work);
	assert_true(!h->is_in_turns || with.seen_between > 0);
}

/* ANY: whether it is done in turns the bystander's answers do not say. */
static struct hostile hostile[] = {
	{ "pinning", hostile_pin, 4, ANY, true, false },
	{ "unpinning", hostile_unpin, 100, ANY, false, false },
	{ "dropping", hostile_drop, 10, ANY, true, false },
	{ "paging out", hostile_page_out, 4, ANY, true, false },
	{ "going", hostile_go, 10, ANY, true, false },
	{ "unlinking", hostile_unlink, 10, ANY, true, false },
	{ "unmapping", hostile_unmap, 10, ANY, true, false },
	{ "sessions", hostile_sessions, FLOOD_ROUNDS, ANY, false, true },
	{ "sessions beside many", hostile_many_sessions, FLOOD_ROUNDS, ANY,
	  false, true },
	{ "pins", hostile_pins, FLOOD_ROUNDS, MESSAGES_PER_ANSWER, false,
	  true },
	{ "unpinning in vain", hostile_vain_unpins, FLOOD_ROUNDS,
	  MESSAGES_PER_ANSWER, false, true },
	{ "touching", hostile_touched, FLOOD_ROUNDS, MESSAGES_PER_ANSWER,
	  false, true },
	{ "faulting", hostile_fault_hits, FLOOD_ROUNDS, MESSAGES_PER_ANSWER,
	  false, true },
	{ "ringing", hostile_rings, FLOOD_ROUNDS, MESSAGES_PER_ANSWER, false,
	  false },
	{ "mapping segments", hostile_map_segments, 10, MESSAGES_PER_ANSWER,
	  false, true },
	{ "unmapping segments", hostile_unmap_segments, 10,
	  MESSAGES_PER_ANSWER, false, true },
	{ "going with segments", hostile_go_with_segments, 10, ANY, true,
	  true },
	{ "names", hostile_names, FLOOD_ROUNDS, MESSAGES_PER_ANSWER, false,
	  true },
};

#define TEST(function, name, initial) \
	{ name, function, open_bystander, close_bystander, initial }

int main(void)
{
	enum { COUNT = sizeof(hostile) / sizeof(*hostile) };
	struct CMUnitTest tests[COUNT + 1] = {
		TEST(smallest_limit, "smallest_limit", NULL),
	};

	for (unsigned i = 0; i < COUNT; i++)
		tests[i + 1] = (struct CMUnitTest)TEST(others, hostile[i].what,
						       &hostile[i]);
	return cmocka_run_group_tests(tests, start, stop);
}
