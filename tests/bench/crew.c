/* SPDX-License-Identifier: MIT */
/* See crew.h. */
#include "tests/bench/crew.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int crew_start(struct crew *c, unsigned count, crew_body *body, void *arg)
{
	pid_t leader = getpid();

	ASSERT(count <= CREW_MAX);
	*c = (struct crew){ 0 };
	fflush(NULL);
	while (c->count < count) {
		pid_t pid = fork();

		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(getppid() == leader ? body(arg, c->count) : 126);
		}
		if (pid < 0) {
			int err = -errno;

			(void)crew_end(c, true);
			return err;
		}
		c->pid[c->count++] = pid;
	}
	return 0;
}

/* Wait until the member has stopped, or has ended.  True: it has stopped. */
static bool await_one(struct crew *c, unsigned idx)
{
	int status, result;

	while (waitpid(c->pid[idx], &status, WUNTRACED) < 0)
		if (errno != EINTR)
			return false;
	if (WIFSTOPPED(status))
		return true;
	result = WIFEXITED(status) ? WEXITSTATUS(status) :
				     128 + WTERMSIG(status);
	if (c->worst == 0 || (c->worst == CREW_KILLED && result != 0))
		c->worst = result;
	c->pid[idx] = 0;
	return false;
}

int crew_await(struct crew *c)
{
	for (unsigned i = 0; i < c->count; i++)
		if (!await_one(c, i))
			return -EPIPE;
	return 0;
}

void crew_release(const struct crew *c)
{
	for (unsigned i = 0; i < c->count; i++)
		kill(c->pid[i], SIGCONT);
}

int crew_end(struct crew *c, bool is_killed)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->pid[i] != 0 && is_killed)
			kill(c->pid[i], SIGKILL);
	for (unsigned i = 0; i < c->count; i++)
		while (c->pid[i] != 0 && await_one(c, i))
			;
	return c->worst;
}
