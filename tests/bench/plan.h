/* SPDX-License-Identifier: MIT */
/* Which works are done, by how many threads and processes, on how much memory:
 * the rows of the report. */
#ifndef MEMD_BENCH_PLAN_H
#define MEMD_BENCH_PLAN_H

#include "tests/bench/options.h"
#include <stddef.h>

enum { JOBS_MAX = 256, JOB_NAME_BYTES = 64 };

struct job {
	const struct work_kind *kind;
	unsigned memory_percent;	/* of the limit; all processes' */
	unsigned thread_count;		/* in each process */
	unsigned process_count;		/* with equal parts of the memory */
};

/* The jobs the options ask for, in order.  Returns how many. */
size_t plan_make(const struct options *o, struct job jobs[JOBS_MAX]);

/* "rand-read 2x, 8 threads" */
void job_name(const struct job *job, char to[JOB_NAME_BYTES]);

/* Pages of one process. */
size_t job_page_count(const struct job *job, const struct options *o);

/* Accesses of one thread; never 0. */
size_t job_access_count(const struct job *job, const struct options *o);

/* Of all. */
size_t job_total_accesses(const struct job *job, const struct options *o);

/* Does the memory not fit?  If it does, swap is not used. */
bool job_is_paging(const struct job *job);

/* The largest memory of any job, in bytes. */
uint64_t plan_memory_bytes(const struct job *jobs, size_t count,
			   const struct options *o);

#endif
