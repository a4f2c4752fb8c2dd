/* SPDX-License-Identifier: MIT */
/* See summary.h. */
#include "tests/bench/summary.h"

#include <stdlib.h>

#define S_PER_NS 1e-9
#define UNKNOWN (-1.0)

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double ratio(double of, double to)
{
	return to > 0 && of >= 0 ? of / to : UNKNOWN;
}

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) * S_PER_NS : 0;
}

/* Processor time of all clients between two steps. */
static double client_cpu_s(const struct trial_notes *n, unsigned count,
			   enum member_step from, enum member_step to)
{
	double s = 0;

	for (unsigned i = 0; i < count; i++)
		s += seconds(n->member[i].cpu_ns[from],
			     n->member[i].cpu_ns[to]);
	return s;
}

/* Latencies. */
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

/* How often, in the time from the first access of any process to the last. */
static void summarise_rates(const struct trial_notes *n, const struct job *job,
			    double accesses, bool is_memd,
			    struct trial_result *r)
{
	uint64_t begin = UINT64_MAX, end = 0;
	double faults = 0, misses = 0, wall_s;

	for (unsigned i = 0; i < job->process_count; i++) {
		const struct member_notes *m = &n->member[i];

		begin = MIN(begin, m->begin_ns);
		end = MAX(end, m->end_ns);
		misses += (double)m->major_count;
		faults = m->fault_count < 0 || faults < 0 ?
				 UNKNOWN : faults + (double)m->fault_count;
	}
	if (is_memd)
		misses = (double)(n->after.swapped_in - n->before.swapped_in);
	wall_s = seconds(begin, end);
	r->accesses_per_s = ratio(accesses, wall_s);
	r->faults_per_s = ratio(faults, wall_s);
	r->faults_per_access = ratio(faults, accesses);
	r->ns_per_fault = ratio(r->mean_ns * accesses, faults);
	r->misses_per_s = ratio(misses, wall_s);
}

static void summarise_filling(const struct trial_notes *n,
			      const struct job *job, const struct options *o,
			      struct trial_result *r)
{
	unsigned members = member_count(job);
	uint64_t longest = 0;

	for (unsigned i = 0; i < members; i++)
		longest = MAX(longest, n->member[i].fill_ns);
	r->fill_ns_per_page = r->fill_cpu_s = UNKNOWN;
	if (longest == 0)
		return;
	r->fill_ns_per_page = (double)longest /
			      (double)(job_page_count(job, o) *
				       job->process_count);
	r->fill_cpu_s = client_cpu_s(n, members, MEMBER_BORN, MEMBER_FILLED) +
			seconds(n->meter[MEMBER_BORN].daemon_cpu_ns,
				n->meter[MEMBER_FILLED].daemon_cpu_ns);
}

static void summarise_costs(const struct trial_notes *n, const struct job *job,
			    struct trial_result *r)
{
	const struct meter *from = &n->meter[MEMBER_SET];
	const struct meter *to = &n->meter[MEMBER_DONE];
	double machine_s = seconds(from->machine_cpu_ns, to->machine_cpu_ns);
	double cpu_s;

	r->client_cpu_s = client_cpu_s(n, member_count(job), MEMBER_SET,
				       MEMBER_DONE);
	r->daemon_cpu_s = seconds(from->daemon_cpu_ns, to->daemon_cpu_ns);
	cpu_s = r->client_cpu_s + r->daemon_cpu_s;
	r->other_cpu_s = MAX(machine_s - cpu_s, 0);
	r->read_bytes = (double)(to->read_bytes - from->read_bytes);
	r->written_bytes = (double)(to->written_bytes - from->written_bytes);
	r->cpu_ns_per_page_in = ratio(cpu_s / S_PER_NS,
				      r->read_bytes / WORKLOAD_PAGE_BYTES);
}

/* The pool is full of changed pages when the work begins, and when it ends.
 * So what has to be written is as much as was changed between: a page for each
 * fault that brought one in to be changed. */
static double written_per_changed(const struct trial_notes *n,
				  const struct trial_result *r)
{
	uint64_t changed = n->after.swapped_in - n->before.swapped_in +
			   n->after.put_back - n->before.put_back;

	return ratio(r->written_bytes / WORKLOAD_PAGE_BYTES, (double)changed);
}

void summarise(struct trial_notes *n, const struct job *job,
	       const struct options *o, bool is_memd,
	       struct trial_result *ret_result)
{
	size_t accesses = job_total_accesses(job, o);
	const struct footprint *fp = &n->member[0].footprint;
	struct trial_result r = { .written_per_changed = UNKNOWN };

	summarise_samples(n, accesses, &r);
	summarise_rates(n, job, (double)accesses, is_memd, &r);
	summarise_filling(n, job, o, &r);
	summarise_costs(n, job, &r);
	if (is_memd && job->kind->access == ACCESS_CHANGE)
		r.written_per_changed = written_per_changed(n, &r);
	r.metadata_bytes = (double)n->member[0].status.metadata_bytes;
	r.daemon_rss_bytes = (double)fp->daemon_rss_bytes;
	r.daemon_table_bytes = (double)fp->daemon_table_bytes;
	r.client_table_bytes = (double)fp->client_table_bytes;
	*ret_result = r;
}
