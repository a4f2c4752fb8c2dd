/* SPDX-License-Identifier: MIT */
/* What two honest clients pay for a third one that does what it likes with its
 * desk and its data file: how long they wait for a page, and how many frames
 * they hold, beside what that is where the third one is as they are.  One of
 * them is of the third one's user.  Each has as much memory as the pool.
 *
 * `hostile [--quick] [--rounds N] [--depth N] [--only PART]`; depth: faults
 * that a busy third client has under way; PART of the names of bad ones.
 * Prints a table, in Markdown.  Exit: 0, also where a goal is missed; 1
 * something failed, bytes were wrong, or memd's accounts; 77 memd cannot run
 * here. */
#include "tests/bench/hostile.h"

#include "tests/integration/onesided_program.h"
#include "tests/integration/testadmin.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
	OWNER = 54001, OTHER = 54002,	/* users, if the caller is root */
	ROUNDS_MAX = 9,
	FAULT_NS = 1000,		/* what takes longer has faulted */
	LOOK_US = 20000,
	PATIENCE = 6000,		/* looks of 10 ms */
};

/* The goals: at most, and at least. */
#define GOAL_P99 2.0
#define GOAL_FRAMES 0.9

static struct hostile_plan plan = {
	.pool_mib = 64, .rounds = 5, .accesses = 40000, .warm = 10000,
};

/* The kinds of third client.  A hostile one is compared with a good one of the
 * same load, `base`. */
enum { GOOD = 0, BUSY = 6, BUSY_DEPTH = 64 };

static struct kind {
	const char *name;
	void (*strike)(struct hostile_desk *hd);
	unsigned depth, base;
	bool is_done_for;
} kinds[] = {
	[GOOD] = { "good", NULL, 1, GOOD, false },
	{ "intents held for ever", hostile_desk_hold_intents, 1, GOOD, false },
	{ "desk scribbled over", hostile_desk_scribble, 1, GOOD, false },
	{ "credits full of lies", hostile_desk_lie, 1, GOOD, false },
	{ "credits kept for ever", hostile_desk_keep, 1, GOOD, false },
	{ "pages without credit", hostile_desk_install, 1, GOOD, true },
	[BUSY] = { "busy: good", NULL, BUSY_DEPTH, GOOD, false },
	{ "busy: intents held for ever", hostile_desk_hold_intents,
	  BUSY_DEPTH, BUSY, false },
	{ "busy: desk scribbled over", hostile_desk_scribble,
	  BUSY_DEPTH, BUSY, false },
	{ "busy: credits full of lies", hostile_desk_lie,
	  BUSY_DEPTH, BUSY, false },
	{ "busy: credits kept for ever", hostile_desk_keep,
	  BUSY_DEPTH, BUSY, false },
	{ "busy: pages without credit", hostile_desk_install,
	  BUSY_DEPTH, BUSY, true },
};

enum { KINDS = ARRAY_SIZE(kinds) };

/* Of one client in one round. */
struct figures {
	double p99_ns, frames_mib;
	double one_sided;		/* part of its faults */
};

static struct outcome {
	struct figures of[ROUNDS_MAX][HONEST];
	double third_mib[ROUNDS_MAX];
	bool is_inexact;
} outcomes[KINDS];

static struct hostile_stage *stage;
static const char *only = "";	/* part of a name */

/* The good clients are the ones that others are compared with. */
static bool is_wanted(const struct kind *kind)
{
	return kind->strike == NULL || strstr(kind->name, only) != NULL;
}

/* ---- one trial */

struct trial {
	const struct kind *kind;
	struct testmemd memd;
	struct hostile_task task[CLIENTS];
	pid_t pid[CLIENTS];
	struct testadmin_use sum[CLIENTS];	/* of all looks */
	uint64_t looks;
};

static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) !=
		       0 || info.si_pid != 0;
}

/* Until `count` clients are so far; `look` at memd meanwhile if wanted, once at
 * least.  False: one has ended. */
static bool await_step(struct trial *t, unsigned count, enum hostile_step step,
		       bool (*look)(struct trial *t))
{
	for (unsigned i = 0; i < count;) {
		if (look != NULL && !look(t))
			return false;
		if (atomic_load(&stage->step[i]) >= step) {
			i++;
			continue;
		}
		for (unsigned c = 0; c < CLIENTS; c++)
			if (has_ended(t->pid[c]))
				return false;
		usleep(LOOK_US);
	}
	return true;
}

static bool look_at_frames(struct trial *t)
{
	struct testadmin_use use[CLIENTS];

	if (testadmin_use(&t->memd, t->pid, HONEST, use) != 0)
		return false;
	for (unsigned c = 0; c < CLIENTS; c++)
		t->sum[c].resident_bytes += use[c].resident_bytes;
	t->looks++;
	return true;
}

static pid_t start_client(struct trial *t, unsigned idx, void (*body)(void *))
{
	static const uid_t uids[CLIENTS] = { OWNER, OTHER, OWNER };

	return program_start_as(geteuid() == 0 ? uids[idx] : 0, body,
				&t->task[idx]);
}

static void start_clients(struct trial *t)
{
	const struct kind *k = t->kind;

	memset(stage, 0, sizeof(*stage));
	for (unsigned i = 0; i < CLIENTS; i++) {
		bool is_honest = i < HONEST || k == &kinds[GOOD];

		t->task[i] = (struct hostile_task){
			.memd = &t->memd, .plan = &plan, .stage = stage,
			.idx = i, .strike = k->strike, .depth = k->depth,
			.is_done_for = k->is_done_for,
		};
		t->pid[i] = start_client(t, i, is_honest ?
					 hostile_live_honest :
					 hostile_live_badly);
	}
}

static bool start_memd(struct testmemd *tm)
{
	char pool[32], swap[32];
	const char *const flags[] = { pool, swap, "--log-level=warning", NULL };

	snprintf(pool, sizeof(pool), "--pool-size=%uM", plan.pool_mib);
	snprintf(swap, sizeof(swap), "--swap-size=%uM", 8 * plan.pool_mib);
	return testmemd_start(tm, flags) == 0 && chmod(tm->dir, 0711) == 0 &&
	       chmod(tm->socket, 0666) == 0;
}

/* ---- memd's accounts */

static uint64_t counter(const struct trial *t, const char *name)
{
	uint64_t value = UINT64_MAX;

	(void)testadmin_counter(&t->memd, name, &value);
	return value;
}

/* The third is gone, and the others do nothing. */
static bool is_exact(const struct trial *t)
{
	uint64_t pages = (uint64_t)plan.pool_mib << 20 >> 12;
	struct testadmin_use use[CLIENTS];
	struct testadmin_status s;
	uint64_t resident;

	if (testadmin_use(&t->memd, t->pid, HONEST, use) != 0 ||
	    testadmin_status(&t->memd, &s) != 0)
		return false;
	resident = (use[0].resident_bytes + use[1].resident_bytes) >> 12;
	return s.sessions == HONEST && s.segments == HONEST &&
	       s.committed_pages == HONEST * pages && s.pinned_frames == 0 &&
	       use[HONEST].resident_bytes == 0 &&
	       s.free_frames + resident == s.pool_frames;
}

/* Faults and writes that are under way come to an end. */
static bool await_exact(const struct trial *t)
{
	struct testadmin_status s;

	for (unsigned i = 0; i < PATIENCE; i++) {
		if (is_exact(t))
			return true;
		usleep(10000);
	}
	if (testadmin_status(&t->memd, &s) == 0)
		fprintf(stderr, "hostile: %s: not exact: %ju sessions, "
			"%ju segments, %ju pages committed, %ju of %ju frames "
			"free, %ju resident\n", t->kind->name,
			(uintmax_t)s.sessions, (uintmax_t)s.segments,
			(uintmax_t)s.committed_pages, (uintmax_t)s.free_frames,
			(uintmax_t)s.pool_frames,
			(uintmax_t)counter(t, "resident_frames"));
	return false;
}

static bool await_nothing_lent(const struct trial *t)
{
	for (unsigned i = 0; i < PATIENCE; i++) {
		if (counter(t, "lent_frames") == 0)
			return true;
		usleep(10000);
	}
	return false;
}

/* Everybody is gone. */
static bool is_all_back(const struct trial *t)
{
	return testadmin_await_empty(&t->memd) == 0 && await_nothing_lent(t) &&
	       counter(t, "committed_units") == 0 &&
	       counter(t, "checksum_errors") == 0 &&
	       (counter(t, "segments_spoiled") == 0 || t->kind->is_done_for);
}

/* ---- what comes of it */

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Of the accesses that have faulted.  Sorts them. */
static double p99_ns(uint32_t *ns, size_t count)
{
	size_t first = 0;

	qsort(ns, count, sizeof(*ns), by_value);
	while (first < count && ns[first] <= FAULT_NS)
		first++;
	return first == count ? 0 : ns[first + (count - first) * 99 / 100];
}

static double mib_of(const struct trial *t, unsigned client)
{
	return (double)t->sum[client].resident_bytes / 1048576 /
	       (double)MAX(t->looks, UINT64_C(1));
}

static bool note(const struct trial *t, struct outcome *out, unsigned round)
{
	struct testadmin_use use[CLIENTS];

	if (testadmin_use(&t->memd, t->pid, HONEST, use) != 0)
		return false;
	for (unsigned i = 0; i < HONEST; i++)
		out->of[round][i] = (struct figures){
			.p99_ns = p99_ns(stage->ns[i], plan.accesses),
			.frames_mib = mib_of(t, i),
			.one_sided = (double)use[i].faults_one_sided /
				     (double)MAX(use[i].faults, UINT64_C(1)),
		};
	out->third_mib[round] = mib_of(t, HONEST);
	return kinds[out - outcomes].strike == NULL ||
	       atomic_load(&stage->blows) != 0;
}

/* The third is killed; the others then compare all that they have. */
static void end_clients(struct trial *t, struct outcome *out)
{
	program_kill(t->pid[HONEST]);
	if (t->kind != &kinds[GOOD])
		program_expect_good(start_client(t, HONEST, hostile_leave));
	out->is_inexact |= !await_exact(t);
	atomic_store(&stage->is_over, true);
	for (unsigned i = 0; i < HONEST; i++)
		program_expect_good(t->pid[i]);
	out->is_inexact |= !is_all_back(t);
}

static bool run_trial(const struct kind *kind, unsigned round)
{
	struct outcome *out = &outcomes[kind - kinds];
	struct trial t = { .kind = kind };
	bool is_good;

	if (!start_memd(&t.memd))
		return false;
	start_clients(&t);
	is_good = await_step(&t, CLIENTS, STEP_FILLED, NULL);
	atomic_store(&stage->is_on, true);
	is_good = is_good && await_step(&t, CLIENTS, STEP_WARM, NULL) &&
		  await_step(&t, HONEST, STEP_DONE, look_at_frames) &&
		  note(&t, out, round);
	if (is_good) {
		end_clients(&t, out);
	} else {
		fprintf(stderr, "hostile: %s: a client has failed\n",
			kind->name);
		testmemd_dump_log(&t.memd);
		testmemd_kill(&t.memd);
		return false;
	}
	return testmemd_stop(&t.memd) == 0;
}

/* Interleaved, so that a busy moment hits all. */
static bool run_all(void)
{
	for (unsigned round = 0; round < plan.rounds; round++)
		for (unsigned k = 0; k < KINDS; k++)
			if (is_wanted(&kinds[k]) &&
			    !run_trial(&kinds[k], round))
				return false;
	return true;
}

/* ---- the table */

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

/* Of a figure, or of what it is divided by what it was in the same round beside
 * a good third one. */
static double median_of(unsigned k, unsigned client, size_t offset,
			bool is_ratio)
{
	double value[ROUNDS_MAX];

	for (unsigned r = 0; r < plan.rounds; r++) {
		const char *of = (const char *)&outcomes[k].of[r][client];
		const char *base =
			(const char *)&outcomes[kinds[k].base].of[r][client];

		value[r] = *(const double *)(const void *)(of + offset);
		if (is_ratio)
			value[r] /= *(const double *)(const void *)
				     (base + offset);
	}
	return median(value);
}

#define MEDIAN(k, client, field, is_ratio)				\
	median_of(k, client, offsetof(struct figures, field), is_ratio)

static void print_row(unsigned k, unsigned client)
{
	bool is_judged = kinds[k].strike != NULL;
	double slower = MEDIAN(k, client, p99_ns, true);
	double fuller = MEDIAN(k, client, frames_mib, true);

	printf("| %s | %s | %.0f | %.2f%s | %.1f | %.2f%s | %.1f | %.0f | "
	       "%s |\n",
	       kinds[k].name, client == 0 ? "the same" : "another",
	       MEDIAN(k, client, p99_ns, false) / 1000, slower,
	       !is_judged || slower < GOAL_P99 ? "" : " MISSED",
	       MEDIAN(k, client, frames_mib, false), fuller,
	       !is_judged || fuller >= GOAL_FRAMES ? "" : " MISSED",
	       median(outcomes[k].third_mib),
	       100 * MEDIAN(k, client, one_sided, false),
	       outcomes[k].is_inexact ? "NO" : "yes");
}

static bool print_table(void)
{
	bool is_exact_always = true;

	printf("| third client | user | p99 of a fault, µs | × | frames, MiB "
	       "| × | of the third | %% one-sided | accounts exact |\n"
	       "|---|---|--:|--:|--:|--:|--:|--:|---|\n");
	for (unsigned k = 0; k < KINDS; k++) {
		for (unsigned c = 0; c < HONEST && is_wanted(&kinds[k]); c++)
			print_row(k, c);
		is_exact_always &= !outcomes[k].is_inexact;
	}
	return is_exact_always;
}

/* ---- */

static void set_depth(unsigned depth)
{
	for (unsigned k = BUSY; k < KINDS; k++)
		kinds[k].depth = depth;
}

static void be_quick(void)
{
	plan.pool_mib = 16;
	plan.rounds = 1;
	plan.accesses = plan.warm = 1000;
}

static bool parse_option(const char *name, const char *value)
{
	unsigned number = (unsigned)strtoul(value, NULL, 10);

	if (strcmp(name, "--rounds") == 0)
		plan.rounds = number;
	else if (strcmp(name, "--depth") == 0)
		set_depth(number);
	else if (strcmp(name, "--only") == 0)
		only = value;
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
	return kinds[BUSY].depth != 0 && plan.rounds != 0 &&
	       plan.rounds <= ROUNDS_MAX;
}

int main(int argc, char **argv)
{
	bool is_good;

	if (!parse_options(argc, argv)) {
		fprintf(stderr, "usage: hostile [--quick] [--rounds N] "
			"[--depth N] [--only PART]\n");
		return 64;
	}
	/* A program that fails in a helper of the tests ends. */
	(void)setenv("CMOCKA_TEST_ABORT", "1", 1);
	stage = shared_memory(sizeof(*stage));
	is_good = run_all() && print_table();
	return is_good && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
