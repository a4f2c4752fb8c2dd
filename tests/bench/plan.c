/* SPDX-License-Identifier: MIT */
/* See plan.h. */
#include "tests/bench/plan.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *work;
	unsigned memory_percent, thread_count, process_count;
} usual[] = {
	{ "zero-fault", 50, 1, 1 },
	{ "minor", 50, 1, 1 },
	{ "pool-hit", 50, 1, 1 },
	{ "first-touch", 50, 1, 1 },
	{ "fill", 200, 1, 1 },
	{ "seq-read", 200, 1, 1 },
	{ "seq-clean", 200, 1, 1 },
	{ "back-read", 200, 1, 1 },
	{ "stride-read", 200, 1, 1 },
	{ "rand-read", 200, 1, 1 },
	{ "rand-rmw", 200, 1, 1 },
	{ "zipf-read", 200, 1, 1 },
	{ "rand-read", 800, 1, 1 },
	{ "rand-rmw", 800, 1, 1 },
	{ "rand-read", 200, 2, 1 },
	{ "rand-read", 200, 8, 1 },
	{ "rand-read", 200, 32, 1 },
	{ "rand-read", 200, 1, 8 },
	{ "seq-read", 200, 1, 8 },
};

static const struct work_kind *find_kind(const char *name)
{
	for (size_t i = 0; i < WORK_KINDS; i++)
		if (strcmp(work_kinds[i].name, name) == 0)
			return &work_kinds[i];
	return NULL;
}

static bool is_chosen(const struct options *o, const struct work_kind *kind)
{
	return o->has_work[kind - work_kinds];
}

static size_t make_usual(const struct options *o, struct job *jobs)
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		const struct work_kind *kind = find_kind(usual[i].work);

		ASSERT(kind != NULL);
		if (!is_chosen(o, kind))
			continue;
		jobs[count++] = (struct job){
			.kind = kind,
			.memory_percent = usual[i].memory_percent,
			.thread_count = usual[i].thread_count,
			.process_count = usual[i].process_count,
		};
	}
	return count;
}

static bool is_usual(const struct work_kind *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		if (strcmp(usual[i].work, kind->name) == 0)
			return true;
	return false;
}

/* What fits into the limit by nature has to go on fitting. */
static unsigned default_percent(const struct work_kind *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		if (strcmp(usual[i].work, kind->name) == 0)
			return usual[i].memory_percent;
	return 200;
}

static unsigned number_at(const struct number_list *list, unsigned idx,
			  unsigned if_none)
{
	return list->count > 0 ? list->number[idx] : if_none;
}

/* Every combination of the numbers asked for. */
static size_t add_combinations(const struct options *o,
			       const struct work_kind *kind, struct job *jobs,
			       size_t count)
{
	unsigned m_count = MAX(o->memory_percent.count, 1u);
	unsigned t_count = MAX(o->threads.count, 1u);
	unsigned p_count = MAX(o->processes.count, 1u);

	for (unsigned i = 0; i < m_count * t_count * p_count; i++) {
		if (count == JOBS_MAX)
			return count;
		jobs[count++] = (struct job){
			.kind = kind,
			.memory_percent = number_at(
				&o->memory_percent, i / (t_count * p_count),
				default_percent(kind)),
			.thread_count = number_at(&o->threads,
						  i / p_count % t_count, 1),
			.process_count = number_at(&o->processes, i % p_count,
						   1),
		};
	}
	return count;
}

size_t plan_make(const struct options *o, struct job jobs[JOBS_MAX])
{
	bool has_numbers = o->memory_percent.count > 0 ||
			   o->threads.count > 0 || o->processes.count > 0;
	size_t count = 0;

	if (!has_numbers)
		count = make_usual(o, jobs);
	for (size_t i = 0; i < WORK_KINDS; i++) {
		const struct work_kind *kind = &work_kinds[i];

		if (is_chosen(o, kind) &&
		    (is_usual(kind) ? has_numbers : o->has_chosen_work))
			count = add_combinations(o, kind, jobs, count);
	}
	return count;
}

void job_name(const struct job *job, char to[JOB_NAME_BYTES])
{
	unsigned p = job->memory_percent;
	char size[16] = "", many[32] = "";

	if (p > 100 && p % 100 == 0)
		snprintf(size, sizeof(size), " %ux", p / 100);
	else if (p > 100)
		snprintf(size, sizeof(size), " %u%%", p);
	if (job->thread_count > 1)
		snprintf(many, sizeof(many), ", %u threads",
			 job->thread_count);
	snprintf(to, JOB_NAME_BYTES, "%.15s%s%s", job->kind->name, size, many);
	if (job->process_count > 1)
		snprintf(to + strlen(to), JOB_NAME_BYTES - strlen(to),
			 ", %u processes", job->process_count);
}

size_t job_page_count(const struct job *job, const struct options *o)
{
	uint64_t bytes = ((uint64_t)o->limit_mib << 20) *
			 job->memory_percent / 100;

	return bytes / WORKLOAD_PAGE_BYTES / job->process_count;
}

size_t job_access_count(const struct job *job, const struct options *o)
{
	size_t all = work_kind_once(job->kind, job_page_count(job, o));

	if (all == 0)
		all = o->access_count / job->process_count;
	return MAX(all / job->thread_count, (size_t)1);
}

size_t job_total_accesses(const struct job *job, const struct options *o)
{
	return job_access_count(job, o) * job->thread_count *
	       job->process_count;
}

bool job_is_paging(const struct job *job)
{
	return job->memory_percent > 100;
}

uint64_t plan_memory_bytes(const struct job *jobs, size_t count,
			   const struct options *o)
{
	uint64_t most = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t bytes = (uint64_t)job_page_count(&jobs[i], o) *
				 jobs[i].process_count * WORKLOAD_PAGE_BYTES;

		most = MAX(most, bytes);
	}
	return most;
}
