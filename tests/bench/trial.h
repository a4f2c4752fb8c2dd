/* SPDX-License-Identifier: MIT */
/* One run of one piece of work by one contestant, in a process of its own:
 * map memory, fill it, do the accesses, measure, leave. */
#ifndef MEMD_BENCH_TRIAL_H
#define MEMD_BENCH_TRIAL_H

#include "tests/bench/kernel_swap.h"
#include "tests/bench/options.h"
#include "tests/bench/workload.h"
#include "tests/integration/testmemd.h"

/* What runs share. */
struct stage {
	const struct options *options;
	const struct testmemd *memd;		/* for the memd contestants */
	const struct kernel_swap *kernel;	/* for the other one */
	struct trial_notes *notes;		/* shared with the child */
	size_t notes_bytes;
};

struct trial {
	enum contestant who;
	const struct work_kind *kind;
	unsigned thread_count;
	unsigned repeat_idx;	/* the same random pages for all contestants */
};

/* All in double, so that one function takes the median of any of them. */
struct trial_result {
	double fill_ns_per_page;
	double fill_cpu_s;		/* client and daemon */
	double mean_ns;			/* of an access, and so on */
	double p50_ns;
	double p99_ns;
	double p999_ns;
	double max_ns;
	double accesses_per_s;
	double client_cpu_s;
	double daemon_cpu_s;
	double other_cpu_s;		/* the rest of the machine: noise */
	double read_bytes;
	double written_bytes;
	double metadata_bytes;		/* what memd says its tables take */
	double daemon_rss_bytes;	/* all its memory but segments' pages */
	double daemon_table_bytes;	/* page tables of the daemon */
	double client_table_bytes;	/* and of this client */
};

/* Returns 0 or -ENOMEM. */
int stage_init(struct stage *st, const struct options *options) MUST_CHECK;
void stage_fini(struct stage *st);

/* Returns 0; -EINTR (we are to end); -EIO after saying on stderr what went
 * wrong, above all a wrong value. */
int trial_run(const struct stage *st, const struct trial *t,
	      struct trial_result *ret_result) MUST_CHECK;

#endif
