/* SPDX-License-Identifier: MIT */
/* Some processes that go through the same steps together, led by the one that
 * started them: nobody goes on before all have come and the leader has let
 * them.  A member that dies is noticed at the next step.  Members die with
 * their leader. */
#ifndef MEMD_BENCH_CREW_H
#define MEMD_BENCH_CREW_H

#include "common/checks.h"
#include <sys/types.h>

enum { CREW_MAX = 32 };

struct crew {
	unsigned count;
	pid_t pid[CREW_MAX];
	int fd[CREW_MAX];
};

/* What a member is; its result is its exit status. */
typedef int crew_body(void *arg, unsigned idx, int step_fd);

/* Returns 0, or -errno: none is left. */
int crew_start(struct crew *c, unsigned count, crew_body *body, void *arg)
	MUST_CHECK;

/* Leader: wait until every member has come to its next step.  0, or -EPIPE:
 * one never will. */
int crew_await(const struct crew *c) MUST_CHECK;

/* Leader: let all go on. */
void crew_release(const struct crew *c);

/* Member: say that the step is done, and wait to be let go on.  0, or -EPIPE:
 * the leader has gone. */
int crew_step(int step_fd) MUST_CHECK;

/* Leader: wait for all to end.  Returns 0, or the first exit status (128 +
 * signal) that is not 0. */
int crew_end(struct crew *c) MUST_CHECK;

/* The same, without letting them finish. */
void crew_kill(struct crew *c);

#endif
