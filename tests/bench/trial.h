/* SPDX-License-Identifier: MIT */
/* One run of one job by one contestant, in processes of its own: map memory,
 * fill it, do the accesses, measure, leave. */
#ifndef MEMD_BENCH_TRIAL_H
#define MEMD_BENCH_TRIAL_H

#include "tests/bench/options.h"
#include "tests/bench/plan.h"
#include "tests/integration/testmemd.h"

/* What runs share. */
struct stage {
	const struct options *options;
	const struct testmemd *memd;	/* for the memd contestants */
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
	double mean_ns;			/* of an access, and so on */
	double p50_ns;
	double p99_ns;
	double p999_ns;
	double max_ns;
	double accesses_per_s;
	double faults_per_s;		/* page faults of any kind */
	double fill_ns_per_page;	/* where filling is not the work */
	double client_cpu_s;
	double daemon_cpu_s;		/* the kernel's: kswapd's */
	double other_cpu_s;		/* the rest of the machine: noise */
	double read_bytes;		/* from swap */
	double written_bytes;
};

/* Room for the largest of the jobs.  Returns 0 or -ENOMEM. */
int stage_init(struct stage *st, const struct options *options,
	       const struct testmemd *memd, const struct job *jobs,
	       size_t job_count) MUST_CHECK;

/* Returns 0, or -1 after saying on stderr what went wrong, above all a wrong
 * value. */
int trial_run(const struct stage *st, const struct trial *t,
	      struct trial_result *ret_result) MUST_CHECK;

#endif
