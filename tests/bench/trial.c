/* SPDX-License-Identifier: MIT */
/* See trial.h.  Leads the processes of a run through their steps, reads the
 * meters in between, and makes figures of what was noted. */
#include "tests/bench/trial.h"

#include "common/clock.h"
#include "tests/bench/crew.h"
#include "tests/integration/testadmin.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

/* ENOMEM: others' pages, of a cgroup that is full, do not come out at once. */
enum { SWAPOFF_TRIES = 500, SWAPOFF_PAUSE_US = 20 * 1000 };

/* Written by the processes, read by their parent, which touches all of it
 * first: it is not to be charged to a cgroup. */
struct trial_notes {
	struct moment {			/* when all had come to a step */
		uint64_t now_ns;
		struct meter daemon;
		struct meter_disk disk;
	} moment[MEMBER_STEPS];
	struct member_notes member[CREW_MAX];
	uint32_t samples[];	/* of all accesses; after them, writes[] */
};

void trial_figure_name(enum trial_figure idx, char to[64])
{
	static const char *const names[] = {
#define X(name) #name,
		TRIAL_FIGURES(X)
#undef X
	};

	if (idx < TRIAL_CLIENT)
		snprintf(to, 64, "%s", names[idx]);
	else
		snprintf(to, 64, "%s_%s",
			 idx < TRIAL_DAEMON ? "client" : "daemon",
			 meter_names[(idx - TRIAL_CLIENT) % METER_COUNTS]);
}

static size_t all_accesses(const struct job *job, const struct options *o)
{
	return job_accesses(job, o) * job->process_count;
}

void stage_init(struct stage *st, const struct options *options,
		const struct testmemd *memd)
{
	size_t samples = 0, writes = 0;

	for (const struct job *job = plan_jobs; job < plan_jobs + JOBS; job++) {
		size_t pages = job_page_count(job, options);

		samples = MAX(samples, all_accesses(job, options));
		writes = MAX(writes, pages * job->thread_count *
					     job->process_count);
	}
	*st = (struct stage){ .options = options, .memd = memd };
	st->samples_bytes = samples * sizeof(uint32_t);
	st->notes_bytes = sizeof(struct trial_notes) + st->samples_bytes +
			  writes;
	st->notes = mmap(NULL, st->notes_bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(st->notes != MAP_FAILED);
}

static int complain(const struct trial *t, const char *what, int err)
{
	return job_complain(t->job, t->who, what, strerror(-err));
}

/* ---- the kernel's swap; run.sh has made areas and cgroup */

/* memd's is a file in its folder. */
static const char *swap_of(const struct stage *st, enum contestant who)
{
	return contestant_is_memd(who) ? st->options->folder :
	       who == KERNEL_ZRAM ? st->options->zram : st->options->swap_file;
}

static int write_to(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (f == NULL)
		return -errno;
	fputs(text, f);
	return fclose(f) != 0 ? -errno : 0;
}

/* At the highest priority, so that swap the machine has already stays out.  The
 * kernel does not read ahead from zram, whatever the setting. */
static int switch_on(const char *area, enum contestant who)
{
	const int flags = SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK;
	int err = write_to("/proc/sys/vm/page-cluster",
			   who == KERNEL_CLUSTER_3 ? "3" : "0");

	return err == 0 && swapon(area, flags) != 0 ? -errno : err;
}

static int switch_off(const char *area)
{
	for (unsigned i = 0; swapoff(area) != 0; i++) {
		if (errno != ENOMEM || i == SWAPOFF_TRIES)
			return -errno;
		usleep(SWAPOFF_PAUSE_US);
	}
	return 0;
}

static int limit(const struct stage *st, const struct crew *crew)
{
	char path[512], pid[16];
	int err = 0;

	snprintf(path, sizeof(path), "%s/group/cgroup.procs",
		 st->options->folder);
	for (unsigned i = 0; err == 0 && i < crew->count; i++) {
		snprintf(pid, sizeof(pid), "%d", (int)crew->pid[i]);
		err = write_to(path, pid);
	}
	return err;
}

/* ---- leading the crew */

static int lead_step(const struct stage *st, const struct trial *t,
		     struct crew *crew, enum member_step step,
		     struct meter_probes *probes)
{
	pid_t daemon = contestant_is_memd(t->who) ? st->memd->pid : 0;
	struct moment *now = &st->notes->moment[step];
	int err = crew_await(crew);

	if (err == 0 && step == MEMBER_BORN && daemon == 0)
		err = limit(st, crew);
	now->now_ns = clock_now_ns();
	meter_read_daemon(daemon, probes, step == MEMBER_BORN && t->is_counted ?
			  probes : NULL, &now->daemon);
	if (err == 0)
		err = meter_read_disk(daemon, swap_of(st, t->who), &now->disk);
	if (err == 0)
		crew_release(crew);
	return err;
}

/* Returns 0, or -1, or CREW_KILLED: the kernel has killed a member.  It does so
 * when a cgroup without page cache uses up its inactive pages faster than the
 * kernel brings its statistics up to date. */
static int lead_through(const struct stage *st, const struct trial *t,
			struct crew *crew)
{
	struct meter_probes probes = { 0 };
	int err = 0, status;

	for (enum member_step step = 0; err == 0 && step < MEMBER_STEPS; step++)
		err = lead_step(st, t, crew, step, &probes);
	meter_probes_close(&probes);
	status = crew_end(crew, err != 0);
	if (status == CREW_KILLED && !contestant_is_memd(t->who))
		return status;
	if (err != 0)
		complain(t, "it has not come to its next step", err);
	return err != 0 || status != 0 ? -1 : 0;
}

static int run_processes(const struct stage *st, const struct trial *t)
{
	struct member_task task = {
		.trial = t,
		.options = st->options,
		.memd_socket = st->memd->socket,
		.notes = st->notes->member,
		.samples = st->notes->samples,
		.writes = (uint8_t *)st->notes->samples + st->samples_bytes,
	};
	struct crew crew;
	int err;

	memset(st->notes, 0, st->notes_bytes);
	err = crew_start(&crew, t->job->process_count, member_main, &task);
	if (err != 0)
		return complain(t, "no processes", err);
	return lead_through(st, t, &crew);
}

static int run_on_kernel(const struct stage *st, const struct trial *t)
{
	const char *area = swap_of(st, t->who);
	int result, err = switch_on(area, t->who);

	if (err != 0)
		return complain(t, "swapon", err);
	result = run_processes(st, t);
	err = switch_off(area);
	return err != 0 ? complain(t, "swapoff", err) : result;
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

static double mean(const uint32_t *samples, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += samples[i];
	return sum / (double)count;
}

/* Latencies.  Sorts the samples.  Those that faulted are taken to be the
 * slowest. */
static void summarise_samples(uint32_t *samples, size_t count, double *figure)
{
	size_t faulted = MIN((size_t)MAX(figure[TRIAL_faults], 0), count);

	qsort(samples, count, sizeof(samples[0]), by_value);
	figure[TRIAL_mean_ns] = mean(samples, count);
	figure[TRIAL_p50_ns] = samples[count / 2];
	figure[TRIAL_p99_ns] = samples[count * 99 / 100];
	figure[TRIAL_p999_ns] = samples[count * 999 / 1000];
	figure[TRIAL_max_ns] = samples[count - 1];
	if (faulted > 0)
		figure[TRIAL_fault_ns] = mean(samples + count - faulted,
					      faulted);
}

/* What the kernel reads for a fault counts as
 * read by who faulted, and is in read_bytes already. */
static void summarise_disk(const struct trial_notes *n, const struct trial *t,
			   double *figure)
{
	const struct meter_disk *from = &n->moment[MEMBER_SET].disk;
	const struct meter_disk *to = &n->moment[MEMBER_DONE].disk;
	uint64_t own = 0;

	for (unsigned i = 0; i < t->job->process_count; i++)
		own += n->member[i].meter[MEMBER_DONE].read_bytes -
		       n->member[i].meter[MEMBER_SET].read_bytes;
	figure[TRIAL_read_bytes] = (double)(to->read_bytes - from->read_bytes);
	figure[TRIAL_written_bytes] =
		(double)(to->written_bytes - from->written_bytes);
	figure[TRIAL_swap_in_bytes] = figure[TRIAL_read_bytes] +
		(contestant_is_memd(t->who) ? (double)own : 0);
}

static void summarise_times(struct trial_notes *n, const struct job *job,
			    size_t accesses, double *figure)
{
	const struct moment *from = &n->moment[MEMBER_SET];
	const struct moment *to = &n->moment[MEMBER_DONE];
	uint64_t begin = UINT64_MAX, end = 0;
	double wall_s, cpu_s = 0;

	for (unsigned i = 0; i < job->process_count; i++) {
		const struct member_notes *m = &n->member[i];

		cpu_s += seconds(m->meter[MEMBER_SET].cpu_ns,
				 m->meter[MEMBER_DONE].cpu_ns);
		begin = MIN(begin, m->outcome.begin_ns);
		end = MAX(end, m->outcome.end_ns);
	}
	/* From the first access of any process to the last. */
	wall_s = seconds(begin, end);
	if (job->kind.access == ACCESS_SORT)
		figure[TRIAL_mean_ns] = wall_s * 1e9 / (double)accesses;
	else
		summarise_samples(n->samples, accesses, figure);
	figure[TRIAL_accesses_per_s] = (double)accesses / wall_s;
	if (figure[TRIAL_faults] >= 0)
		figure[TRIAL_faults_per_s] = figure[TRIAL_faults] / wall_s;
	figure[TRIAL_client_cpu_s] = cpu_s;
	cpu_s = seconds(from->daemon.cpu_ns, to->daemon.cpu_ns);
	figure[TRIAL_daemon_cpu_s] = cpu_s;
	figure[TRIAL_daemon_asleep] =
		MAX(1 - cpu_s / seconds(from->now_ns, to->now_ns), 0);
}

/* -1 if it could not be read. */
static double grown(int64_t from, int64_t to)
{
	return to < 0 ? -1 : (double)(to - from);
}

static void summarise_counts(const struct trial_notes *n, const struct job *job,
			     double *figure)
{
	const struct moment *from = &n->moment[MEMBER_SET];
	const struct moment *to = &n->moment[MEMBER_DONE];

	figure[TRIAL_disk_reads] = grown(from->disk.reads, to->disk.reads);
	figure[TRIAL_disk_writes] = grown(from->disk.writes, to->disk.writes);
	for (unsigned c = 0; c < METER_COUNTS; c++) {
		int64_t sum[MEMBER_STEPS] = { 0 };

		for (unsigned i = 0; i < job->process_count; i++)
			for (unsigned s = 0; s < MEMBER_STEPS; s++)
				sum[s] += n->member[i].meter[s].count[c];
		figure[TRIAL_CLIENT + c] = grown(sum[MEMBER_SET],
						 sum[MEMBER_DONE]);
		figure[TRIAL_DAEMON + c] = grown(from->daemon.count[c],
						 to->daemon.count[c]);
	}
}

static double count_faults(const struct trial_notes *n, const struct job *job)
{
	double faults = 0;

	for (unsigned i = 0; i < job->process_count; i++) {
		if (n->member[i].outcome.fault_count < 0)
			return -1;
		faults += (double)n->member[i].outcome.fault_count;
	}
	return faults;
}

int trial_run(const struct stage *st, const struct trial *t,
	      struct trial_result *ret_result)
{
	bool is_memd = contestant_is_memd(t->who);
	int status = is_memd ? run_processes(st, t) : run_on_kernel(st, t);
	double *figure = ret_result->figure;

	for (unsigned i = 0; i < TRIAL_END; i++)
		figure[i] = -1;
	if (status == -1)
		return -1;
	figure[TRIAL_killed] = status == CREW_KILLED;
	if (status == 0)
		figure[TRIAL_faults] = count_faults(st->notes, t->job);
	if (t->is_timed && status == 0) {
		summarise_times(st->notes, t->job,
				all_accesses(t->job, st->options), figure);
		summarise_disk(st->notes, t, figure);
	}
	if (t->is_counted && status == 0)
		summarise_counts(st->notes, t->job, figure);
	/* The next one is to find all frames and slots free. */
	return is_memd ? testadmin_await_empty(st->memd) : 0;
}
