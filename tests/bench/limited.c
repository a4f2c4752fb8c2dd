/* SPDX-License-Identifier: MIT */
/* What a client at the smallest limit, 16 frames, costs another client, by the
 * size of the pool.  Such a client needs a frame of its own for every page, so
 * memd looks for one at every fault; others must not wait longer where there
 * are more frames.
 *
 * In each pool eight of ten frames are in use, nearly all by a third client,
 * which asks for pages and punches their memory out of its data file, unseen by
 * memd: a pool of 64 GiB takes no memory but that of memd's tables.  Swap is in
 * memory too: files for that many pages would not fit on most disks.
 *
 * `limited [--quick] [--rounds N] [--memd FLAG]`; quick: without the largest
 * pool, which takes a minute to fill.  Prints a table, in Markdown.
 * Exit: 0, also where the goal is missed; 1 something failed; 77 memd cannot
 * run here. */
#include "tests/bench/workload.h"
#include "tests/integration/hostile_client.h"
#include "tests/integration/onesided_program.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* The goal: the p99 by that with the smallest pool, at most. */
#define GOAL_P99 1.2

enum {
	ROUNDS_MAX = 9,
	ENDLESS = 1 << 30,
	LIMIT_FRAMES = 16,
	CHANGED_PAGES = 16384,		/* 64 MiB */
	CHANGED_SLICE = 64,
	HELD_AT_ONCE = 4096,		/* pages */
	PAGE_BYTES = 4096,
};

static struct plan {
	unsigned rounds;
	unsigned pools;			/* so many, the smallest */
	const char *flag;		/* of memd's; NULL: none */
} plan = { .rounds = 5, .pools = 3 };

/* ---- beside what the faults are measured */

/* Pages that it changes, at random, through the library: each fault reads a
 * page, and another is written. */
static void limited_change(struct neighbour *nb)
{
	static const struct work_kind kind = {
		"rand-rmw", ACCESS_CHANGE, START_FILLED, ORDER_RANDOM,
	};
	static uint8_t writes[CHANGED_PAGES];
	static uint32_t samples[CHANGED_SLICE];
	struct memclient_options options = {
		.size = sizeof(options), .most_frames = LIMIT_FRAMES,
	};
	struct workload load = {
		.page_count = CHANGED_PAGES, .kind = &kind, .thread_count = 1,
		.access_count = CHANGED_SLICE, .samples = samples,
		.writes = writes,
	};
	struct workload_outcome out = { 0 };
	struct memclient *mc = NULL;

	NEED(memclient_open(nb->memd->socket, &options, &mc) == 0);
	load.words = (void *)program_map(mc, (size_t)CHANGED_PAGES * PAGE_BYTES,
					 MEMCLIENT_FAULT_INLINE);
	NEED(workload_fill(&load, &out.wrong) == 0);
	neighbour_begin(nb);
	while (neighbour_goes_on(nb)) {
		load.seed++;
		NEED(workload_run(&load, &out) == 0);
		atomic_fetch_add(&nb->work, CHANGED_SLICE);
	}
	neighbour_end(nb, 0);
	memclient_close(mc);
}

static const struct beside {
	const char *name;
	neighbour_life *live;
} besides[] = {
	{ "alone", NULL },
	{ "no limit, pages that it has", harmless_faults },
	{ "16 frames, pages of zeros", hostile_smallest_limit },
	{ "16 frames, changed pages", limited_change },
};

enum { BESIDES = ARRAY_SIZE(besides) };

/* ---- pools */

static struct pool {
	const char *name;
	uint64_t mib;
	struct testmemd memd;
	int admin, holder;
	uint64_t held;			/* frames in use by the holder */
	struct waits waits[BESIDES][ROUNDS_MAX];
} pools[] = {
	{ .name = "64 MiB", .mib = 64 },
	{ .name = "1 GiB", .mib = 1 << 10 },
	{ .name = "64 GiB", .mib = 64 << 10 },
};

static bool is_there(const struct pool *p)
{
	return p->memd.pid != 0;
}

/* Some pages at a time: pinning brings them in, and pinned they stay until
 * their memory is gone. */
static void hold_frames(struct pool *p)
{
	uint64_t frames = (p->mib << 20) / PAGE_BYTES;
	uint64_t count = frames * 8 / 10 - BYSTANDER_PAGES;
	uint32_t segment;
	int data;

	p->holder = client_open(&p->memd, false, NULL);
	data = client_map(p->holder, count * PAGE_BYTES, PAGE_BYTES, &segment);
	for (uint64_t at = 0; at < count; at += HELD_AT_ONCE) {
		uint64_t some = MIN(count - at, (uint64_t)HELD_AT_ONCE);

		client_send_range(p->holder, T(PIN), 4, segment, at, some);
		client_expect_ok(p->holder, 4);
		NEED(fallocate(data, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, (off_t)(at * PAGE_BYTES),
			       (off_t)(some * PAGE_BYTES)) == 0);
		client_send_range(p->holder, T(UNPIN), 5, segment, at, some);
		client_expect_ok(p->holder, 5);
	}
	close(data);
	p->held = client_counter(p->admin, "resident_frames");
	NEED(p->held >= count);
}

/* Returns false if it does not start. */
static bool start_pool(struct pool *p)
{
	char size[64];
	const char *flags[] = { size, "--swap-size=1G", "--store=mem",
				"--readahead=0", "--log-level=warning",
				plan.flag, NULL };
	int err;

	snprintf(size, sizeof(size), "--pool-size=%juM", (uintmax_t)p->mib);
	(void)setenv("LD_PRELOAD", LARGE_MACHINE, 1);
	err = testmemd_start(&p->memd, flags);
	(void)unsetenv("LD_PRELOAD");
	if (err != 0)
		return false;
	p->admin = client_open(&p->memd, true, NULL);
	fprintf(stderr, "limited: filling a pool of %s\n", p->name);
	hold_frames(p);
	return true;
}

/* Not gently: a large pool would be given back frame by frame. */
static void stop_pools(void)
{
	for (unsigned i = 0; i < plan.pools; i++)
		if (is_there(&pools[i]))
			testmemd_kill(&pools[i].memd);
}

/* ---- measuring */

static void measure(struct pool *p, unsigned beside, unsigned round)
{
	struct bystander bs;

	bystander_open(&bs, &p->memd);
	p->waits[beside][round] = bystander_watch(&bs, &p->memd,
						  besides[beside].live,
						  ENDLESS);
	close(bs.fd);
	client_await_counter(p->admin, "resident_frames", p->held);
}

/* All sizes beside the same, one right after the other, so that a busy moment
 * hits all. */
static void measure_all(void)
{
	for (unsigned round = 0; round < plan.rounds; round++)
		for (unsigned b = 0; b < BESIDES; b++)
			for (unsigned i = 0; i < plan.pools; i++)
				measure(&pools[i], b, round);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *value)
{
	qsort(value, plan.rounds, sizeof(*value), compare_doubles);
	return value[plan.rounds / 2];
}

static double p50_us(const struct pool *p, unsigned beside)
{
	double value[ROUNDS_MAX];

	for (unsigned r = 0; r < plan.rounds; r++)
		value[r] = (double)p->waits[beside][r].p50_ns / 1000;
	return median(value);
}

/* ret_least: of the round that other programs disturbed least. */
static double p99_us(const struct pool *p, unsigned beside, double *ret_least)
{
	double value[ROUNDS_MAX], middle;

	for (unsigned r = 0; r < plan.rounds; r++)
		value[r] = (double)p->waits[beside][r].p99_ns / 1000;
	middle = median(value);
	*ret_least = value[0];
	return middle;
}

/* By what it is with the smallest pool in the same round. */
static double p99_ratio(const struct pool *p, unsigned beside)
{
	double value[ROUNDS_MAX];

	for (unsigned r = 0; r < plan.rounds; r++)
		value[r] = (double)p->waits[beside][r].p99_ns /
			   (double)pools[0].waits[beside][r].p99_ns;
	return median(value);
}

/* What the neighbour got done for each page that was waited for. */
static double work_each(const struct pool *p, unsigned beside)
{
	double value[ROUNDS_MAX];

	for (unsigned r = 0; r < plan.rounds; r++) {
		const struct waits *w = &p->waits[beside][r];

		value[r] = (double)w->work / (double)MAX(w->count, UINT64_C(1));
	}
	return median(value);
}

static void print_rows(unsigned beside)
{
	for (unsigned i = 0; i < plan.pools; i++) {
		const struct pool *p = &pools[i];
		double least, p99 = p99_us(p, beside, &least);
		double ratio = p99_ratio(p, beside);

		printf("| %s | %s | %.1f | %.1f | %.1f | %.2f%s | %.1f |\n",
		       besides[beside].name, p->name, p50_us(p, beside), p99,
		       least, ratio, ratio <= GOAL_P99 ? "" : " MISSED",
		       work_each(p, beside));
	}
}

static void print_table(void)
{
	printf("| the other client | pool | p50 of a fault, µs | p99, µs | "
	       "least p99, µs | × 64 MiB | its pages a fault |\n"
	       "|---|---|--:|--:|--:|--:|--:|\n");
	for (unsigned i = 0; i < BESIDES; i++)
		print_rows(i);
}

/* ---- */

static void be_quick(void)
{
	plan.rounds = 1;
	plan.pools = 2;
	(void)setenv("MEMD_TEST_TIER", "quick", 1);
}

static bool parse_option(const char *name, const char *value)
{
	if (strcmp(name, "--rounds") == 0)
		plan.rounds = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(name, "--memd") == 0)
		plan.flag = value;
	else
		return false;
	return true;
}

static bool parse_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			be_quick();
		else if (i + 1 == argc || !parse_option(argv[i], argv[i + 1]))
			return false;
		else
			i++;
	}
	return plan.rounds != 0 && plan.rounds <= ROUNDS_MAX;
}

int main(int argc, char **argv)
{
	bool is_good = true;

	if (!parse_options(argc, argv)) {
		fprintf(stderr, "usage: limited [--quick] [--rounds N] "
			"[--memd FLAG]\n");
		return 64;
	}
	/* What fails in a helper of the tests ends. */
	(void)setenv("CMOCKA_TEST_ABORT", "1", 1);
	for (unsigned i = 0; is_good && i < plan.pools; i++)
		is_good = start_pool(&pools[i]);
	if (is_good)
		measure_all();
	stop_pools();
	if (is_good)
		print_table();
	return is_good && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
