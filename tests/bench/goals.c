/* SPDX-License-Identifier: MIT */
/* See goals.h. */
#include "tests/bench/goals.h"

#include "tests/bench/spread.h"
#include <string.h>

/* What of a row is put beside what. */
enum measure {
	SPEED,		/* accesses a second, over the kernel's */
	TIME,		/* mean time, over the kernel's */
	TAIL,		/* p99.9, over the kernel's */
	CPU,		/* processor time a page from swap, over the kernel's */
	DISK_SHARE,	/* bytes accessed a second, over the disk's in order */
	MISS_SHARE,	/* misses a second, over the disk's random reads with
			 * as many under way as there are threads */
	FAULTS,		/* page faults in 64 accesses */
	WRITTEN,	/* pages written, over pages changed */
	ASKED_FAULT,	/* time a fault, over the floor's that asks */
	LOCAL_FAULT,	/* the same, over the floor's that asks nobody */
	IDLE,		/* percent of a processor */
};

enum { INLINE = BIT(MEMD_INLINE), THREAD = BIT(MEMD_THREAD),
       BOTH = INLINE | THREAD };

static const struct {
	const char *text;
	const char *goal;
	double limit;
	bool is_least;		/* the limit is; else the most */
	bool is_extra;
	unsigned who;
	enum measure measure;
	const char *work;
	unsigned threads, processes;
} goals[GOALS] = {
	{ "fault answered by memd, no disk, inline",
	  "at most 2.0 x raw inline + mailbox", 2.0, false, false, INLINE,
	  ASKED_FAULT, "zero-fault", 1, 1 },
	{ "fault answered by memd, no disk, thread",
	  "at most 1.5 x raw thread + mailbox", 1.5, false, false, THREAD,
	  ASKED_FAULT, "zero-fault", 1, 1 },
	{ "minor fault, inline", "at most 1.2 x raw inline", 1.2, false,
	  false, INLINE, LOCAL_FAULT, "minor", 1, 1 },
	{ "sequential read", "at least 4 x the kernel's speed", 4, true, false,
	  BOTH, SPEED, "seq-read", 1, 1 },
	{ "sequential read", "at least 0.7 x the disk's rate", 0.7, true,
	  false, BOTH, DISK_SHARE, "seq-read", 1, 1 },
	{ "the same, nothing to be written", "0.7 x the disk's rate", 0.7,
	  true, true, BOTH, DISK_SHARE, "seq-clean", 1, 1 },
	{ "sequential read", "less than 1 fault per 64 pages", 1, false,
	  false, BOTH, FAULTS, "seq-read", 1, 1 },
	{ "strided read", "at least 3 x the kernel's speed", 3, true, false,
	  BOTH, SPEED, "stride-read", 1, 1 },
	{ "backward read", "at least 3 x the kernel's speed", 3, true, false,
	  BOTH, SPEED, "back-read", 1, 1 },
	{ "fill", "at least 1.3 x the kernel's speed", 1.3, true, false, BOTH,
	  SPEED, "fill", 1, 1 },
	{ "random read, 1 thread", "at most 1.0 x the kernel's time", 1.0,
	  false, false, BOTH, TIME, "rand-read", 1, 1 },
	{ "random read, 1 thread", "p99.9 at most 0.5 x the kernel's", 0.5,
	  false, false, BOTH, TAIL, "rand-read", 1, 1 },
	{ "random read, 8 threads", "at least 1.3 x the kernel's speed", 1.3,
	  true, false, BOTH, SPEED, "rand-read", 8, 1 },
	{ "random read, 8 threads",
	  "misses at least 0.8 x raw reads, depth 8", 0.8, true, false, BOTH,
	  MISS_SHARE, "rand-read", 8, 1 },
	{ "random read-modify-write", "at most 1.0 x the kernel's time", 1.0,
	  false, false, BOTH, TIME, "rand-rmw", 1, 1 },
	{ "random read-modify-write",
	  "pages written at most 1.05 x pages changed", 1.05, false, false,
	  BOTH, WRITTEN, "rand-rmw", 1, 1 },
	{ "CPU per page swapped in, random", "at most 2 x the kernel's", 2,
	  false, false, BOTH, CPU, "rand-read", 1, 1 },
	{ "CPU per page swapped in, sequential", "at most 1 x the kernel's", 1,
	  false, false, BOTH, CPU, "seq-read", 1, 1 },
	{ "8 processes, random read", "at least 1.2 x the kernel's speed", 1.2,
	  true, false, BOTH, SPEED, "rand-read", 1, 8 },
	{ "8 processes, sequential read", "at least 1.2 x the kernel's speed",
	  1.2, true, false, BOTH, SPEED, "seq-read", 1, 8 },
	{ "idle daemon and client together", "less than 0.1 % of a processor",
	  0.1, false, false, BOTH, IDLE, "", 1, 1 },
};

/* Work that pages does so on twice the limit. */
static const struct row *find_row(const struct report *rp, unsigned idx)
{
	for (unsigned i = 0; i < rp->row_count; i++) {
		const struct job *job = &rp->rows[i].job;

		if (strcmp(job->kind->name, goals[idx].work) == 0 &&
		    job->memory_percent <= 200 &&
		    job->thread_count == goals[idx].threads &&
		    job->process_count == goals[idx].processes)
			return &rp->rows[i];
	}
	return NULL;
}

static double ratio(double of, double to)
{
	return of >= 0 && to > 0 ? of / to : -1;
}

static double over_kernel(const struct row *row, enum contestant who,
			  size_t field)
{
	return ratio(row_median(row, who, field),
		     row_median(row, row_best_kernel(row), field));
}

static double fault_over_floor(const struct report *rp, const struct row *row,
			       enum contestant who, enum floor_ask ask)
{
	enum floor_how how = who == MEMD_INLINE ? FLOOR_INLINE : FLOOR_THREAD;

	return ratio(row_median(row, who, FIELD(ns_per_fault)),
		     floor_median_ns(rp, how, ask));
}

static double idle_percent(const struct report *rp, enum contestant who)
{
	return rp->has_idle[who] ? rp->idle[who].client_percent +
					   rp->idle[who].daemon_percent : -1;
}

static double row_measure(const struct report *rp, const struct row *row,
			  enum measure measure, enum contestant who)
{
	double per_s = row_median(row, who, FIELD(accesses_per_s));

	switch (measure) {
	case SPEED:
		return row_speed(row, who);
	case TIME:
		return over_kernel(row, who, FIELD(mean_ns));
	case TAIL:
		return over_kernel(row, who, FIELD(p999_ns));
	case CPU:
		return over_kernel(row, who, FIELD(cpu_ns_per_page_in));
	case DISK_SHARE:
		return ratio(per_s * WORKLOAD_PAGE_BYTES,
			     disk_best_in_order(rp));
	case MISS_SHARE:
		return ratio(row_median(row, who, FIELD(misses_per_s)),
			     disk_random_per_s(rp, row->job.thread_count));
	case FAULTS:
		return 64 * row_median(row, who, FIELD(faults_per_access));
	case WRITTEN:
		return row_median(row, who, FIELD(written_per_changed));
	case ASKED_FAULT:
		return fault_over_floor(rp, row, who, FLOOR_MAILBOX);
	case LOCAL_FAULT:
		return fault_over_floor(rp, row, who, FLOOR_NONE);
	case IDLE:
		break;
	}
	return -1;
}

static double measured(const struct report *rp, unsigned idx,
		       enum contestant who)
{
	const struct row *row;

	if ((goals[idx].who & BIT(who)) == 0)
		return -1;
	if (goals[idx].measure == IDLE)
		return idle_percent(rp, who);
	row = find_row(rp, idx);
	return row != NULL ? row_measure(rp, row, goals[idx].measure, who) :
			     -1;
}

static enum verdict judge(unsigned idx, double value)
{
	bool is_met = goals[idx].is_least ? value >= goals[idx].limit :
					    value <= goals[idx].limit;

	if (value < 0)
		return VERDICT_UNKNOWN;
	if (goals[idx].is_extra)
		return VERDICT_NONE;
	return is_met ? VERDICT_MET : VERDICT_MISSED;
}

struct goal_result goal_evaluate(const struct report *rp, unsigned idx)
{
	struct goal_result g = {
		.work = goals[idx].text,
		.goal = goals[idx].goal,
		.limit = goals[idx].limit,
	};

	for (enum contestant who = 0; who < CONTESTANTS; who++) {
		g.measured[who] = contestant_is_memd(who) ?
					  measured(rp, idx, who) : -1;
		g.verdict[who] = judge(idx, g.measured[who]);
	}
	return g;
}

bool goal_is_shown(const struct report *rp, const struct goal_result *g)
{
	return !rp->options->has_chosen_work ||
	       g->verdict[MEMD_INLINE] != VERDICT_UNKNOWN ||
	       g->verdict[MEMD_THREAD] != VERDICT_UNKNOWN;
}

const char *goal_verdict(const struct goal_result *g)
{
	enum verdict in = g->verdict[MEMD_INLINE];
	enum verdict th = g->verdict[MEMD_THREAD];

	if (in == VERDICT_NONE || th == VERDICT_NONE)
		return "no goal";
	if (in == VERDICT_UNKNOWN && th == VERDICT_UNKNOWN)
		return "not measured";
	if (in != VERDICT_MISSED && th != VERDICT_MISSED)
		return "met";
	if (in == VERDICT_MET)
		return "inline only";
	if (th == VERDICT_MET)
		return "thread only";
	return "missed";
}
