/* SPDX-License-Identifier: MIT */
/* What honest clients pay for a hostile one: the clients, each a process, and
 * what they share with who measures them. */
#ifndef MEMD_TESTS_BENCH_HOSTILE_H
#define MEMD_TESTS_BENCH_HOSTILE_H

#include "common/checks.h"
#include "tests/integration/hostile_desk.h"
#include "tests/integration/testmemd.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { HONEST = 2, CLIENTS = HONEST + 1, ACCESSES_MAX = 60000 };

/* What there is to do.  All clients have as much memory as the pool. */
struct hostile_plan {
	unsigned pool_mib;
	unsigned rounds;
	size_t accesses;	/* of each honest client: measured, */
	size_t warm;		/* and before */
};

/* How far a client is, in this order. */
enum hostile_step { STEP_BORN, STEP_FILLED, STEP_WARM, STEP_DONE };

/* In memory that all processes share. */
struct hostile_stage {
	atomic_uint step[CLIENTS];	/* the last client is the third */
	atomic_bool is_on;		/* all have filled their memory */
	atomic_bool is_over;		/* the third one is gone */
	atomic_uint blows;		/* of the third */
	uint32_t ns[HONEST][ACCESSES_MAX];
};

/* What a client is told. */
struct hostile_task {
	const struct testmemd *memd;
	const struct hostile_plan *plan;
	struct hostile_stage *stage;
	unsigned idx;
	/* Of a hostile client.  NULL: it does no more than to ask for pages. */
	void (*strike)(struct hostile_desk *hd);
	unsigned depth;		/* faults that it has under way */
	bool is_done_for;	/* memd ends its sessions; others come */
};

/* Bodies of programs, which take a task. */

/* Random reads and writes through the library, inline, one thread.  Every word
 * is compared.  As the third client it goes on until it is killed. */
void hostile_live_honest(void *task);
/* Asks memd by hand for pages that are as full as the honest ones', and strikes
 * in between, until it is killed. */
void hostile_live_badly(void *task);
/* What such a one leaves behind goes. */
void hostile_leave(void *task);

#endif
