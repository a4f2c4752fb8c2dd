/* SPDX-License-Identifier: MIT */
/* One run of one job by one contestant, in processes of its own: map memory,
 * fill it, do the accesses, measure, leave. */
#ifndef MEMD_BENCH_TRIAL_H
#define MEMD_BENCH_TRIAL_H

#include "tests/bench/member.h"
#include "tests/integration/testmemd.h"

/* What runs share. */
struct stage {
	const struct options *options;
	const struct testmemd *memd;	/* for the memd contestants */
	struct trial_notes *notes;	/* shared with the processes */
	size_t notes_bytes;
	size_t samples_bytes;		/* room for the largest job's */
};

/* The figures.  After these come the counts of meter.h, twice: with "client_"
 * and with "daemon_" before their names. */
#define TRIAL_FIGURES(X)						\
	X(killed)		/* 1: the kernel did, and nothing else is \
				 * known: it found no memory to free */	\
	X(faults)		/* page faults of any kind */		\
	/* Of a timed run: */						\
	X(mean_ns)		/* of an access, and so on */		\
	X(p50_ns) X(p99_ns) X(p999_ns) X(max_ns)			\
	X(fault_ns)		/* of an access that faulted */		\
	X(accesses_per_s)						\
	X(faults_per_s)							\
	X(client_cpu_s)							\
	X(daemon_cpu_s)		/* the kernel's: kswapd's */		\
	X(daemon_asleep)	/* 1 - its CPU time by the clock's */	\
	X(read_bytes)		/* from swap */				\
	X(written_bytes)						\
	X(swap_in_bytes)	/* read_bytes, with what memd's clients	\
				 * read from swap by themselves */	\
	/* Of a counted run, as the counts: */				\
	X(disk_reads) X(disk_writes)

enum trial_figure {
#define X(name) TRIAL_ ## name,
	TRIAL_FIGURES(X)
#undef X
	TRIAL_CLIENT,
	TRIAL_DAEMON = TRIAL_CLIENT + METER_COUNTS,
	TRIAL_END = TRIAL_DAEMON + METER_COUNTS
};

/* A figure below 0 is not known. */
struct trial_result {
	double figure[TRIAL_END];
};

/* "client_syscalls" */
void trial_figure_name(enum trial_figure idx, char to[64]);

/* Makes room for the largest of the jobs. */
void stage_init(struct stage *st, const struct options *options,
		const struct testmemd *memd);

/* Returns 0, or -1 after saying on stderr what went wrong, above all a wrong
 * value. */
int trial_run(const struct stage *st, const struct trial *t,
	      struct trial_result *ret_result) MUST_CHECK;

#endif
