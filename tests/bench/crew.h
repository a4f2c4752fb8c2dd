/* SPDX-License-Identifier: MIT */
/* Some processes that go through the same steps together, led by the one that
 * started them: after a step each raises SIGSTOP, and goes on when the leader
 * lets all go on.  Members die with their leader. */
#ifndef MEMD_BENCH_CREW_H
#define MEMD_BENCH_CREW_H

#include "common/checks.h"
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

enum { CREW_MAX = 32, CREW_KILLED = 128 + SIGKILL };

struct crew {
	unsigned count;
	pid_t pid[CREW_MAX];	/* 0: has ended */
	int worst;		/* exit status (128 + signal) of those: not 0 if
				 * one is not, CREW_KILLED if all those are */
};

/* What a member is; its result is its exit status. */
typedef int crew_body(void *arg, unsigned idx);

/* Returns 0, or -errno: none is left. */
int crew_start(struct crew *c, unsigned count, crew_body *body, void *arg)
	MUST_CHECK;

/* Leader: wait until every member has come to its next step.  0, or -EPIPE:
 * one has ended. */
int crew_await(struct crew *c) MUST_CHECK;

/* Leader: let all go on. */
void crew_release(const struct crew *c);

/* Leader: wait for all to end, after SIGKILL or by themselves.  Returns
 * `worst`. */
int crew_end(struct crew *c, bool is_killed);

#endif
