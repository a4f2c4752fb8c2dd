/* SPDX-License-Identifier: MIT */
/* From what was noted during a trial to its figures. */
#ifndef MEMD_BENCH_SUMMARY_H
#define MEMD_BENCH_SUMMARY_H

#include "tests/bench/member.h"
#include "tests/bench/trial.h"

/* Written by the trial's processes, read by their parent, which touches all of
 * it first: it is not to be charged to a cgroup. */
struct trial_notes {
	struct meter meter[MEMBER_STEPS];	/* when all had come to it */
	struct memd_status before, after;	/* the work */
	struct member_notes member[PROCESSES_MAX + 1];
	uint32_t samples[];	/* of all accesses; after them, writes[] */
};

/* Sorts the samples. */
void summarise(struct trial_notes *n, const struct job *job,
	       const struct options *o, bool is_memd,
	       struct trial_result *ret_result);

#endif
