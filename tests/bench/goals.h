/* SPDX-License-Identifier: MIT */
/* What memd is meant to reach, beside what it reached: ratios of one run.
 * Figures are judged here, but nothing fails by them. */
#ifndef MEMD_BENCH_GOALS_H
#define MEMD_BENCH_GOALS_H

#include "tests/bench/report.h"

enum { GOALS = 21 };

enum verdict {
	VERDICT_UNKNOWN,	/* something of it was not measured */
	VERDICT_MET,
	VERDICT_MISSED,
	VERDICT_NONE,		/* shown for comparison: there is no goal */
};

struct goal_result {
	const char *work;
	const char *goal;	/* "at least 4 times the kernel's speed" */
	double limit;
	double measured[CONTESTANTS];	/* memd's; below 0: not known */
	enum verdict verdict[CONTESTANTS];
};

struct goal_result goal_evaluate(const struct report *rp, unsigned idx);

/* Has it been measured, or should it have been? */
bool goal_is_shown(const struct report *rp, const struct goal_result *g);

/* "met", "missed", "inline only" … for both of memd's ways together. */
const char *goal_verdict(const struct goal_result *g);

#endif
