/* SPDX-License-Identifier: MIT */
/* One run of one job by one contestant, in processes of its own: map memory,
 * fill it, do the accesses, measure, leave. */
#ifndef MEMD_BENCH_TRIAL_H
#define MEMD_BENCH_TRIAL_H

#include "tests/bench/kernel_swap.h"
#include "tests/bench/options.h"
#include "tests/bench/plan.h"
#include "tests/integration/testmemd.h"

/* What runs share. */
struct stage {
	const struct options *options;
	const struct testmemd *memd;	/* for the memd contestants */
	struct kernel_swap *kernel;	/* for the others */
	struct trial_notes *notes;	/* shared with the processes */
	size_t notes_bytes;
	size_t samples_bytes;		/* room for the largest job's */
};

struct trial {
	enum contestant who;
	const struct job *job;
	unsigned repeat_idx;	/* the same random pages for all contestants */
};

/* All in double, so that one function takes the median of any of them; below
 * 0: not known. */
struct trial_result {
	double fill_ns_per_page;	/* where filling is not the work */
	double fill_cpu_s;		/* client and daemon */
	double mean_ns;			/* of an access, and so on */
	double p50_ns;
	double p99_ns;
	double p999_ns;
	double max_ns;
	double accesses_per_s;
	double faults_per_s;		/* page faults of any kind */
	double faults_per_access;
	double ns_per_fault;		/* time of all accesses, over faults */
	double misses_per_s;		/* faults that waited for the disk */
	double client_cpu_s;
	double daemon_cpu_s;		/* the kernel's: kswapd's */
	double other_cpu_s;		/* the rest of the machine: noise */
	double read_bytes;
	double written_bytes;
	double cpu_ns_per_page_in;	/* client's and daemon's, for each page
					 * read from swap */
	double written_per_changed;	/* read-modify-write: pages written for
					 * each page changed since it came in */
	double metadata_bytes;		/* what memd says its tables take */
	double daemon_rss_bytes;	/* all its memory but segments' pages */
	double daemon_table_bytes;	/* page tables of the daemon */
	double client_table_bytes;	/* and of the first client */
};

/* Room for the largest of the jobs.  Returns 0 or -ENOMEM. */
int stage_init(struct stage *st, const struct options *options,
	       const struct job *jobs, size_t job_count) MUST_CHECK;
void stage_fini(struct stage *st);

/* Returns 0; -EINTR (we are to end); -EIO after saying on stderr what went
 * wrong, above all a wrong value. */
int trial_run(const struct stage *st, const struct trial *t,
	      struct trial_result *ret_result) MUST_CHECK;

/* Wait until memd has taken back all frames and slots of those who left.
 * Returns 0, -EINTR or -EIO, as above. */
int trial_await_empty(const struct testmemd *memd) MUST_CHECK;

#endif
