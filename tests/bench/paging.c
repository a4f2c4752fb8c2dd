/* SPDX-License-Identifier: MIT */
/* Paging through memd beside paging by the kernel: the same verified work on
 * memd memory (faults handled inline, and by a thread) and on plain anonymous
 * memory in a memory cgroup of the same size, with a swap file of the same size
 * in the same folder, or zram.
 *
 * Starts a private memd with default settings but for sizes, places and what
 * --memd says.  Runs are interleaved, each in new processes with freshly filled
 * memory.  Says on stdout, in a line of JSON for each run, what it took; fails
 * for wrong values only, never for slow ones.
 *
 * Several of these programs, with other builds or on other processors, do the
 * same in turn.  They form a ring: each has a FIFO that only it reads and only
 * the one before it writes.  There is one token, a byte.  Each takes the token
 * out of its FIFO, runs once, and only then gives it to the next, so no two run
 * at once.  When one ends too early, the next finds its FIFO closed, and ends
 * as well. */
#include "common/clock.h"
#include "tests/bench/trial.h"
#include "tests/integration/testadmin.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

static struct options options;
static int turn_fd[2] = { -1, -1 };	/* ours, and that of the next */

/* ---- in turn */

/* Before anything can fail: opening waits for the next one's end. */
static void open_turns(void)
{
	if (options.turn[1] == NULL)
		return;
	turn_fd[0] = open(options.turn[0], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	turn_fd[1] = open(options.turn[1], O_WRONLY | O_CLOEXEC);
	ASSERT(turn_fd[0] >= 0 && turn_fd[1] >= 0);
}

static int await_turn(void)
{
	struct pollfd pfd = { .fd = turn_fd[0], .events = POLLIN };
	char token;

	if (turn_fd[0] < 0 ||
	    (poll(&pfd, 1, -1) == 1 && read(turn_fd[0], &token, 1) == 1))
		return 0;
	fprintf(stderr, "paging: the one whose turn it was has ended\n");
	return -1;
}

static int end_turn(void)
{
	return turn_fd[1] < 0 || write(turn_fd[1], "", 1) == 1 ? 0 : -1;
}

/* ---- what is said; keys are stable: new ones may come, none changes its
 * meaning */

static void say_flags(void)
{
	const char *separator = "";

	printf("\"memd_flags\": \"");
	for (const char *const *f = options.memd_flag; *f != NULL; f++) {
		printf("%s%s", separator, *f);
		separator = " ";
	}
	printf("\"");
}

static void say_settings(const char *store)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	(void)sched_getaffinity(0, sizeof(cpus), &cpus);
	printf("{\"settings\": {\"limit_mib\": %u, \"accesses\": %u, "
	       "\"repeat\": %u, \"is_small\": %s, \"cpus_used\": %d, "
	       "\"store\": \"%s\", ", options.limit_mib,
	       options.access_count, options.repeat,
	       options.is_small ? "true" : "false", CPU_COUNT(&cpus), store);
	say_flags();
	printf("}}\n");
}

static void say_run(const struct trial *t, const struct trial_result *r,
		    uint64_t begin_ns)
{
	const struct job *job = t->job;
	const char *separator = "";
	char name[64];

	job_name(job, name);
	fprintf(stderr, "round %u: %s, %s: ", t->round + 1, name,
		contestant_names[t->who]);
	if (r->figure[TRIAL_mean_ns] < 0)
		fprintf(stderr, "no time\n");
	else
		fprintf(stderr, "%.1f us\n", r->figure[TRIAL_mean_ns] / 1000);
	printf("{\"run\": {\"job\": \"%s\", \"work\": \"%s\", \"threads\": %u, "
	       "\"processes\": %u, \"memory_percent\": %u, \"on\": \"%s\", "
	       "\"accesses\": %zu}, \"round\": %u, \"begin_ns\": %ju, "
	       "\"end_ns\": %ju, \"figures\": {", name,
	       job->kind.name, job->thread_count, job->process_count,
	       job->memory_percent, contestant_names[t->who],
	       job_accesses(job, &options) * job->process_count, t->round,
	       (uintmax_t)begin_ns, (uintmax_t)clock_now_ns());
	for (unsigned i = 0; i < TRIAL_END; i++) {
		trial_figure_name(i, name);
		printf("%s\"%s\": ", separator, name);
		separator = ", ";
		if (r->figure[i] < 0)
			printf("null");
		else
			printf("%.9g", r->figure[i]);
	}
	printf("}}\n");
}

/* ---- running */

/* Where nothing is swapped one variant of the kernel stands for all. */
static bool takes_part(const struct job *job, enum contestant who)
{
	if (!options.has_contestant[who])
		return false;
	return contestant_is_memd(who) || job_is_paging(job) ||
	       who == KERNEL_CLUSTER_0 ||
	       (who == KERNEL_CLUSTER_3 &&
		!options.has_contestant[KERNEL_CLUSTER_0]);
}

/* Each contestant begins as often as the others. */
static int run_job(const struct stage *st, struct trial *t)
{
	unsigned first = t->round + (unsigned)(t->job - plan_jobs);
	int err = 0;

	for (unsigned c = 0; err == 0 && c < CONTESTANTS; c++) {
		struct trial_result r;

		t->who = (first + c) % CONTESTANTS;
		err = await_turn();
		if (err == 0 && takes_part(t->job, t->who)) {
			uint64_t begin_ns = clock_now_ns();

			err = trial_run(st, t, &r);
			say_run(t, &r, begin_ns);
		}
		if (err == 0)
			err = end_turn();
	}
	return err;
}

/* What is counted is slower, so it has a round of its own, after the others.
 * Where time is nothing one round does for both. */
static int run_all(const struct testmemd *memd)
{
	unsigned rounds = options.repeat + !options.is_smoke;
	struct trial t = { 0 };
	struct stage st;

	stage_init(&st, &options, memd);
	for (; t.round < rounds; t.round++) {
		t.is_timed = t.round < options.repeat;
		t.is_counted = t.round + 1 == rounds;
		for (size_t i = 0; i < JOBS; i++) {
			t.job = &plan_jobs[i];
			if (options.has_job[i] && run_job(&st, &t) != 0)
				return -1;
		}
	}
	/* No memd stops while another runs. */
	return await_turn() == 0 ? end_turn() : -1;
}

/* Room for all memory twice, so that nobody is short of free places. */
static uintmax_t room_mib(void)
{
	return 2 * MAX(plan_memory_bytes(&options) >> 20,
		       (uint64_t)options.limit_mib);
}

static int start_memd(struct testmemd *memd)
{
	char pool[64], swap[64], folder[512];
	const char *flags[4 + OPTIONS_MEMD_FLAGS + 1] = {
		pool, swap, folder, "--log-level=info",
	};

	for (unsigned i = 0; options.memd_flag[i] != NULL; i++)
		flags[4 + i] = options.memd_flag[i];
	snprintf(pool, sizeof(pool), "--pool-size=%uM", options.limit_mib);
	snprintf(swap, sizeof(swap), "--swap-size=%juM", room_mib());
	snprintf(folder, sizeof(folder), "--swap-dir=%s", options.folder);
	if (testmemd_start(memd, flags) != 0)
		return -1;
	/* We do not listen to its service manager's messages, and a full
	 * socket would make it wait for us. */
	close(memd->notify_fd);
	memd->notify_fd = -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct testadmin_status status;
	struct testmemd memd;
	int err;

	options_parse(argc, argv, &options);
	if (options.is_room_asked) {
		printf("%ju %u\n", room_mib(), options.limit_mib);
		return EXIT_SUCCESS;
	}
	open_turns();
	if (start_memd(&memd) != 0)
		return EXIT_FAILURE;
	err = testadmin_status(&memd, &status);
	if (err == 0) {
		say_settings(status.store);
		meter_explain();
		err = run_all(&memd);
	}
	if (testmemd_stop(&memd) != 0 || err != 0)
		return EXIT_FAILURE;
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
