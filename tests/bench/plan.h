/* SPDX-License-Identifier: MIT */
/* Who takes part, and which works are done, by how many threads and processes,
 * on how much memory: the rows of the report. */
#ifndef MEMD_BENCH_PLAN_H
#define MEMD_BENCH_PLAN_H

#include "tests/bench/workload.h"

enum contestant {
	MEMD_INLINE,
	MEMD_THREAD,
	KERNEL_CLUSTER_0,	/* a swap file, one page a read */
	KERNEL_CLUSTER_3,	/* up to eight: the kernel's default */
	KERNEL_ZRAM,
	CONTESTANTS
};
extern const char *const contestant_names[CONTESTANTS];

static inline bool contestant_is_memd(enum contestant who)
{
	return who == MEMD_INLINE || who == MEMD_THREAD;
}

struct job {
	struct work_kind kind;
	unsigned memory_percent;	/* of the limit; all processes' */
	unsigned thread_count;		/* in each process */
	unsigned process_count;		/* with equal parts of the memory */
};

enum { JOBS = 25, JOB_NAME_BYTES = 64 };
extern const struct job plan_jobs[JOBS];

/* "rand-read 2x, 8 threads" */
void job_name(const struct job *job, char to[JOB_NAME_BYTES]);

/* Say on stderr what is wrong with a run.  Returns -1. */
int job_complain(const struct job *job, enum contestant who, const char *what,
		 const char *why);

/* Does the memory not fit?  If it does, swap is not used. */
bool job_is_paging(const struct job *job);

struct options;

/* Pages of one process. */
size_t job_page_count(const struct job *job, const struct options *o);

/* Accesses of all threads of one process; a multiple of their number. */
size_t job_accesses(const struct job *job, const struct options *o);

/* The largest memory of any job asked for, in bytes. */
uint64_t plan_memory_bytes(const struct options *o);

#endif
