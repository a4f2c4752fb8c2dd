/* SPDX-License-Identifier: MIT */
/* One process of a trial: gets its memory, brings it into the state the work
 * starts from, does the work, leaves.  Between these it steps with the others
 * (crew.h), so that the leader can read the meters. */
#ifndef MEMD_BENCH_MEMBER_H
#define MEMD_BENCH_MEMBER_H

#include "tests/bench/meter.h"
#include "tests/bench/options.h"

/* The steps, in order; a member has done what is named. */
enum member_step {
	MEMBER_BORN,
	MEMBER_SET,		/* memory is as the work starts from */
	MEMBER_DONE,		/* the work */
	MEMBER_STEPS
};

/* What one member noted. */
struct member_notes {
	struct meter meter[MEMBER_STEPS];	/* its own, until the step */
	struct workload_outcome outcome;
};

struct trial {
	const struct job *job;
	enum contestant who;
	unsigned round;		/* the same random pages for all contestants */
	bool is_timed;
	bool is_counted;	/* with the traced counts (meter.h) */
};

/* The same for all members of a trial. */
struct member_task {
	const struct trial *trial;
	const struct options *options;
	const char *memd_socket;
	struct member_notes *notes;	/* of each */
	uint32_t *samples;		/* of all processes, in turn */
	uint8_t *writes;		/* likewise */
};

/* A crew_body; arg is a struct member_task.  What goes wrong it says on
 * stderr. */
int member_main(void *arg, unsigned idx);

#endif
