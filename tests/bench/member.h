/* SPDX-License-Identifier: MIT */
/* One process of a trial: gets its memory, brings it into the state the work
 * starts from, does the work, leaves.  Between these it steps with the others
 * (crew.h), so that the leader can read the meters. */
#ifndef MEMD_BENCH_MEMBER_H
#define MEMD_BENCH_MEMBER_H

#include "tests/bench/plan.h"

/* The steps, in order; a member has done what is named. */
enum member_step {
	MEMBER_BORN,
	MEMBER_FILLED,		/* memory mapped, and filled if it starts so */
	MEMBER_SET,		/* in the state the work starts from */
	MEMBER_DONE,		/* the work */
	MEMBER_STEPS
};

/* What one member noted. */
struct member_notes {
	uint64_t cpu_ns[MEMBER_STEPS];	/* its own, until the step */
	uint64_t fill_ns;
	uint64_t begin_ns, end_ns;	/* of the work, by the clock */
	int64_t fault_count;		/* -1: cannot be counted */
};

/* The same for all members of a trial, but for their index. */
struct member_task {
	enum contestant who;
	const struct job *job;
	const struct options *options;
	const char *memd_socket;
	int memfd;		/* the kernel's shared memory; else -1 */
	char segment[64];	/* memd's */
	uint64_t seed;
	struct member_notes *notes;	/* [PROCESSES_MAX + 1] */
	uint32_t *samples;		/* of all processes, in turn */
	uint8_t *writes;		/* likewise */
};

/* Members of the trial: START_SHARED has one more than there are processes to
 * work, which fills the memory for them. */
unsigned member_count(const struct job *job);

/* A crew_body; arg is a struct member_task.  What goes wrong it says on
 * stderr. */
int member_main(void *arg, unsigned idx, int step_fd);

#endif
