/* SPDX-License-Identifier: MIT */
/* Paging through memd beside paging by the kernel: the same verified work on
 * memd memory (faults handled inline, and by a thread) and on plain anonymous
 * memory in a memory cgroup of the same size, with a swap file of the same size
 * in the same folder, or zram.
 *
 * Starts a private memd with default settings but for sizes and places.  Runs
 * are interleaved, each in new processes with freshly filled memory.  It says
 * how fast, as JSON; it fails for wrong values only, never for slow ones. */
#include "tests/bench/results.h"
#include "tests/bench/trial.h"
#include "tests/integration/testadmin.h"
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One job, by every contestant. */
struct row {
	const struct job *job;
	unsigned run_count[CONTESTANTS];	/* 0: did not take part */
	struct trial_result run[CONTESTANTS][REPEAT_MAX];
};

static struct options options;
static struct job jobs[JOBS_MAX];
static struct row rows[JOBS_MAX];
static size_t row_count;

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

static int run_one(const struct stage *st, struct row *row,
		   enum contestant who, unsigned repeat_idx)
{
	const struct trial t = {
		.who = who,
		.job = row->job,
		.repeat_idx = repeat_idx,
	};
	struct trial_result *r = &row->run[who][repeat_idx];

	if (trial_run(st, &t, r) != 0)
		return -1;
	row->run_count[who]++;
	fprintf(stderr, " %s %.1f", contestant_names[who], r->mean_ns / 1000);
	return 0;
}

/* Each contestant begins as often as the others. */
static int run_row(const struct stage *st, size_t idx, unsigned repeat_idx)
{
	char name[JOB_NAME_BYTES];
	int err = 0;

	job_name(&jobs[idx], name);
	fprintf(stderr, "run %u of %u: %s: us", repeat_idx + 1, options.repeat,
		name);
	for (unsigned c = 0; err == 0 && c < CONTESTANTS; c++) {
		enum contestant who = (c + repeat_idx + (unsigned)idx) %
				      CONTESTANTS;

		if (takes_part(&jobs[idx], who))
			err = run_one(st, &rows[idx], who, repeat_idx);
	}
	fprintf(stderr, "\n");
	return err;
}

static int run_all(const struct testmemd *memd)
{
	struct stage st;

	if (stage_init(&st, &options, memd, jobs, row_count) != 0) {
		fprintf(stderr, "paging: no memory for the results\n");
		return -1;
	}
	for (unsigned r = 0; r < options.repeat; r++)
		for (size_t i = 0; i < row_count; i++)
			if (run_row(&st, i, r) != 0)
				return -1;
	return 0;
}

/* ---- the results */

#define FIGURE(name) { #name, offsetof(struct trial_result, name) }
static const struct {
	const char *key;
	size_t offset;
} figures[] = {
	FIGURE(mean_ns), FIGURE(p50_ns), FIGURE(p99_ns), FIGURE(p999_ns),
	FIGURE(max_ns), FIGURE(accesses_per_s), FIGURE(faults_per_s),
	FIGURE(fill_ns_per_page), FIGURE(client_cpu_s), FIGURE(daemon_cpu_s),
	FIGURE(other_cpu_s), FIGURE(read_bytes), FIGURE(written_bytes),
};

static void print_result(const struct row *row, enum contestant who)
{
	const struct job *job = row->job;

	printf("    {\"work\": \"%s\", \"threads\": %u, \"processes\": %u, "
	       "\"memory_percent\": %u, \"on\": \"%s\", \"accesses\": %zu",
	       job->kind->name, job->thread_count, job->process_count,
	       job->memory_percent, contestant_names[who],
	       job_total_accesses(job, &options));
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
		results_print_spread(stdout, figures[i].key,
				     (const char *)row->run[who] +
					     figures[i].offset,
				     sizeof(row->run[who][0]),
				     row->run_count[who]);
	printf("}");
}

static void print_results(const char *store)
{
	const char *separator = "\n";
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	(void)sched_getaffinity(0, sizeof(cpus), &cpus);
	printf("{\"settings\": {\"limit_mib\": %u, \"accesses\": %u, "
	       "\"repeat\": %u, \"is_small\": %s, \"cpus_used\": %d},\n"
	       "  \"store\": \"%s\",\n  \"results\": [", options.limit_mib,
	       options.access_count, options.repeat,
	       options.is_small ? "true" : "false", CPU_COUNT(&cpus), store);
	for (size_t i = 0; i < row_count; i++) {
		for (enum contestant who = 0; who < CONTESTANTS; who++) {
			if (rows[i].run_count[who] == 0)
				continue;
			fputs(separator, stdout);
			print_result(&rows[i], who);
			separator = ",\n";
		}
	}
	printf("\n  ]}\n");
}

/* ---- */

/* Room for all memory twice, so that nobody is short of free places. */
static uint64_t room_mib(void)
{
	uint64_t bytes = plan_memory_bytes(jobs, row_count, &options);

	return 2 * MAX(bytes >> 20, (uint64_t)options.limit_mib);
}

static int start_memd(struct testmemd *memd)
{
	char pool[64], swap[64], folder[512];
	const char *const flags[] = { pool, swap, folder, "--log-level=info",
				      NULL };

	snprintf(pool, sizeof(pool), "--pool-size=%uM", options.limit_mib);
	snprintf(swap, sizeof(swap), "--swap-size=%lluM",
		 (unsigned long long)room_mib());
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
	row_count = plan_make(&options, jobs);
	for (size_t i = 0; i < row_count; i++)
		rows[i].job = &jobs[i];
	if (options.is_room_asked) {
		printf("%llu %u\n", (unsigned long long)room_mib(),
		       options.limit_mib);
		return EXIT_SUCCESS;
	}
	if (start_memd(&memd) != 0)
		return EXIT_FAILURE;
	err = testadmin_status(&memd, &status);
	if (err == 0)
		err = run_all(&memd);
	if (testmemd_stop(&memd) != 0 || err != 0)
		return EXIT_FAILURE;
	print_results(status.store);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
