/* SPDX-License-Identifier: MIT */
/* See trial.h.  Leads the processes of a run through their steps, reads the
 * meters in between, and makes figures of what was noted. */
#include "tests/bench/trial.h"

#include "tests/bench/crew.h"
#include "tests/bench/kernel_swap.h"
#include "tests/bench/member.h"
#include "tests/bench/meter.h"
#include "tests/integration/testadmin.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Written by the processes, read by their parent, which touches all of it
 * first: it is not to be charged to a cgroup. */
struct trial_notes {
	struct meter meter[MEMBER_STEPS];	/* when all had come to it */
	struct member_notes member[PROCESSES_MAX + 1];
	uint32_t samples[];	/* of all accesses; after them, writes[] */
};

int stage_init(struct stage *st, const struct options *options,
	       const struct testmemd *memd, const struct job *jobs,
	       size_t job_count)
{
	size_t samples = 0, writes = 0;

	for (size_t i = 0; i < job_count; i++) {
		const struct job *job = &jobs[i];

		samples = MAX(samples, job_total_accesses(job, options));
		writes = MAX(writes, job_page_count(job, options) *
					     job->thread_count *
					     job->process_count);
	}
	*st = (struct stage){ .options = options, .memd = memd };
	st->samples_bytes = samples * sizeof(uint32_t);
	st->notes_bytes = sizeof(struct trial_notes) + st->samples_bytes +
			  writes;
	st->notes = mmap(NULL, st->notes_bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return st->notes == MAP_FAILED ? -ENOMEM : 0;
}

static int complain(const struct trial *t, const char *what, const char *why)
{
	char name[JOB_NAME_BYTES];

	job_name(t->job, name);
	fprintf(stderr, "paging: %s, %s: %s: %s\n", contestant_names[t->who],
		name, what, why);
	return -1;
}

/* ---- leading the crew */

static int lead_through(const struct stage *st, const struct trial *t,
			struct crew *crew)
{
	pid_t daemon = contestant_is_memd(t->who) ? st->memd->pid : 0;

	for (enum member_step step = 0; step < MEMBER_STEPS; step++) {
		int err = crew_await(crew);

		if (err == 0)
			err = meter_read(daemon, &st->notes->meter[step]);
		if (err != 0) {
			crew_kill(crew);
			return complain(t, "it has not come to its next step",
					strerror(-err));
		}
		crew_release(crew);
	}
	return crew_end(crew) == 0 ? 0 : complain(t, "a process", "failed");
}

static int run_processes(const struct stage *st, const struct trial *t)
{
	struct member_task task = {
		.who = t->who,
		.job = t->job,
		.options = st->options,
		.memd_socket = st->memd->socket,
		.seed = t->repeat_idx,
		.notes = st->notes->member,
		.samples = st->notes->samples,
		.writes = (uint8_t *)st->notes->samples + st->samples_bytes,
	};
	size_t bytes = job_page_count(t->job, st->options) *
		       WORKLOAD_PAGE_BYTES;
	struct crew crew;
	int err;

	memset(st->notes, 0, st->notes_bytes);
	snprintf(task.segment, sizeof(task.segment), "bench.%d",
		 (int)getpid());
	task.memfd = memfd_create("bench", MFD_CLOEXEC);
	if (task.memfd < 0)
		return complain(t, "memfd", strerror(errno));
	err = ftruncate(task.memfd, (off_t)bytes) != 0 ? -errno :
	      crew_start(&crew, member_count(t->job), member_main, &task);
	close(task.memfd);
	if (err != 0)
		return complain(t, "no processes", strerror(-err));
	return lead_through(st, t, &crew);
}

static int run_on_kernel(const struct stage *st, const struct trial *t)
{
	const char *area = t->who == KERNEL_ZRAM ? st->options->zram :
						   st->options->swap_file;
	/* zram is not read ahead by the kernel, whatever the setting. */
	int result, err = kernel_swap_begin(area, t->who == KERNEL_CLUSTER_3 ?
						  "3" : "0");

	if (err != 0)
		return complain(t, "swapon", strerror(-err));
	result = run_processes(st, t);
	err = kernel_swap_end(area);
	return err != 0 ? complain(t, "swapoff", strerror(-err)) : result;
}

/* ---- from what was noted to figures */

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) * 1e-9 : 0;
}

/* Latencies.  Sorts the samples. */
static void summarise_samples(struct trial_notes *n, size_t count,
			      struct trial_result *r)
{
	double sum = 0;

	qsort(n->samples, count, sizeof(n->samples[0]), by_value);
	for (size_t i = 0; i < count; i++)
		sum += n->samples[i];
	r->mean_ns = sum / (double)count;
	r->p50_ns = n->samples[count / 2];
	r->p99_ns = n->samples[count * 99 / 100];
	r->p999_ns = n->samples[count * 999 / 1000];
	r->max_ns = n->samples[count - 1];
}

/* How often, in the time from the first access of any process to the last; and
 * how long filling took. */
static void summarise_rates(const struct trial_notes *n, const struct job *job,
			    const struct options *o, struct trial_result *r)
{
	uint64_t begin = UINT64_MAX, end = 0, fill_ns = 0;
	double faults = 0, wall_s;

	for (unsigned i = 0; i < member_count(job); i++)
		fill_ns = MAX(fill_ns, n->member[i].fill_ns);
	for (unsigned i = 0; i < job->process_count; i++) {
		const struct member_notes *m = &n->member[i];

		begin = MIN(begin, m->begin_ns);
		end = MAX(end, m->end_ns);
		faults = m->fault_count < 0 || faults < 0 ?
				 -1 : faults + (double)m->fault_count;
	}
	wall_s = seconds(begin, end);
	r->accesses_per_s = (double)job_total_accesses(job, o) / wall_s;
	r->faults_per_s = faults < 0 ? -1 : faults / wall_s;
	r->fill_ns_per_page = fill_ns == 0 ? -1 : (double)fill_ns /
		(double)(job_page_count(job, o) * job->process_count);
}

static void summarise_costs(const struct trial_notes *n, const struct job *job,
			    struct trial_result *r)
{
	const struct meter *from = &n->meter[MEMBER_SET];
	const struct meter *to = &n->meter[MEMBER_DONE];
	double machine_s = seconds(from->machine_cpu_ns, to->machine_cpu_ns);

	for (unsigned i = 0; i < member_count(job); i++)
		r->client_cpu_s += seconds(n->member[i].cpu_ns[MEMBER_SET],
					   n->member[i].cpu_ns[MEMBER_DONE]);
	r->daemon_cpu_s = seconds(from->daemon_cpu_ns, to->daemon_cpu_ns);
	r->other_cpu_s = MAX(machine_s - r->client_cpu_s - r->daemon_cpu_s, 0);
	r->read_bytes = (double)(to->read_bytes - from->read_bytes);
	r->written_bytes = (double)(to->written_bytes - from->written_bytes);
}

int trial_run(const struct stage *st, const struct trial *t,
	      struct trial_result *ret_result)
{
	bool is_memd = contestant_is_memd(t->who);
	struct trial_result r = { 0 };

	if ((is_memd ? run_processes(st, t) : run_on_kernel(st, t)) != 0)
		return -1;
	summarise_samples(st->notes, job_total_accesses(t->job, st->options),
			  &r);
	summarise_rates(st->notes, t->job, st->options, &r);
	summarise_costs(st->notes, t->job, &r);
	*ret_result = r;
	/* The next one is to find all frames and slots free. */
	return is_memd ? testadmin_await_empty(st->memd) : 0;
}
