/* SPDX-License-Identifier: MIT */
/* See plan.h. */
#include "tests/bench/plan.h"

#include "tests/bench/options.h"
#include <string.h>

const char *const contestant_names[CONTESTANTS] = {
	[MEMD_INLINE] = "inline",
	[MEMD_THREAD] = "thread",
	[KERNEL_CLUSTER_0] = "kernel-0",
	[KERNEL_CLUSTER_3] = "kernel-3",
	[KERNEL_ZRAM] = "zram",
};

#define RAND_READ { "rand-read", ACCESS_READ, START_FILLED, ORDER_RANDOM }
#define RAND_RMW { "rand-rmw", ACCESS_CHANGE, START_FILLED, ORDER_RANDOM }
#define SEQ_READ { "seq-read", ACCESS_READ, START_FILLED, ORDER_FORWARD }

const struct job plan_jobs[JOBS] = {
	{ { "zero-fault", ACCESS_TOUCH, START_DROPPED, ORDER_HOLES },
	  50, 1, 1 },
	{ { "minor", ACCESS_READ, START_UNMAPPED, ORDER_HOLES }, 50, 1, 1 },
	{ { "pool-hit", ACCESS_READ, START_SHARED, ORDER_SCATTERED },
	  50, 1, 1 },
	{ { "first-touch", ACCESS_TOUCH, START_EMPTY, ORDER_FORWARD },
	  50, 1, 1 },
	{ { "fill", ACCESS_FILL, START_EMPTY, ORDER_FORWARD }, 200, 1, 1 },
	{ SEQ_READ, 200, 1, 1 },
	{ { "seq-clean", ACCESS_READ, START_SWEPT, ORDER_FORWARD },
	  200, 1, 1 },
	{ { "loop", ACCESS_READ, START_SWEPT, ORDER_LOOP }, 200, 1, 1 },
	{ { "back-read", ACCESS_READ, START_FILLED, ORDER_BACKWARD },
	  200, 1, 1 },
	{ { "stride-read", ACCESS_READ, START_FILLED, ORDER_STRIDED },
	  200, 1, 1 },
	{ RAND_READ, 200, 1, 1 },
	{ RAND_RMW, 200, 1, 1 },
	{ { "zipf-read", ACCESS_READ, START_FILLED, ORDER_ZIPF }, 200, 1, 1 },
	{ { "moving", ACCESS_READ, START_WARM, ORDER_MOVING }, 200, 1, 1 },
	{ { "scan+zipf", ACCESS_READ_BESIDE, START_FILLED, ORDER_ZIPF },
	  200, 1, 1 },
	{ RAND_READ, 800, 1, 1 },
	{ RAND_RMW, 800, 1, 1 },
	{ { "hash-put", ACCESS_PUT, START_TABLE, ORDER_RANDOM }, 200, 1, 1 },
	{ { "hash-get", ACCESS_GET, START_TABLE, ORDER_RANDOM }, 200, 1, 1 },
	{ { "sort", ACCESS_SORT, START_KEYS, ORDER_FORWARD }, 200, 1, 1 },
	{ RAND_READ, 200, 2, 1 },
	{ RAND_READ, 200, 8, 1 },
	{ RAND_READ, 200, 32, 1 },
	{ RAND_READ, 200, 1, 8 },
	{ SEQ_READ, 200, 1, 8 },
};

void job_name(const struct job *job, char to[JOB_NAME_BYTES])
{
	char size[16] = "", many[32] = "";

	if (job_is_paging(job))
		snprintf(size, sizeof(size), " %ux",
			 job->memory_percent / 100);
	if (job->thread_count > 1)
		snprintf(many, sizeof(many), ", %u threads",
			 job->thread_count);
	if (job->process_count > 1)
		snprintf(many, sizeof(many), ", %u processes",
			 job->process_count);
	snprintf(to, JOB_NAME_BYTES, "%.15s%s%s", job->kind.name, size, many);
}

int job_complain(const struct job *job, enum contestant who, const char *what,
		 const char *why)
{
	char name[JOB_NAME_BYTES];

	job_name(job, name);
	fprintf(stderr, "paging: %s, %s: %s: %s\n", contestant_names[who],
		name, what, why);
	return -1;
}

bool job_is_paging(const struct job *job)
{
	return job->memory_percent > 100;
}

size_t job_page_count(const struct job *job, const struct options *o)
{
	uint64_t bytes = ((uint64_t)o->limit_mib << 20) *
			 job->memory_percent / 100;

	return bytes / WORKLOAD_PAGE_BYTES / job->process_count;
}

size_t job_accesses(const struct job *job, const struct options *o)
{
	size_t all = work_kind_accesses(&job->kind, job_page_count(job, o),
					o->access_count / job->process_count);

	return MAX(all / job->thread_count, (size_t)1) * job->thread_count;
}

uint64_t plan_memory_bytes(const struct options *o)
{
	unsigned percent = 0;

	for (size_t i = 0; i < JOBS; i++)
		if (o->has_job[i])
			percent = MAX(percent, plan_jobs[i].memory_percent);
	return ((uint64_t)o->limit_mib << 20) * percent / 100;
}
