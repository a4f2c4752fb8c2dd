/* SPDX-License-Identifier: MIT */
/* See crew.h.  Each member has a socket pair of its own with the leader, a byte
 * each way a step; the end of file is how a death shows. */
#include "tests/bench/crew.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int send_byte(int fd)
{
	return send(fd, "", 1, MSG_NOSIGNAL) == 1 ? 0 : -EPIPE;
}

static int receive_byte(int fd)
{
	char byte;
	ssize_t n;

	do
		n = recv(fd, &byte, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : -EPIPE;
}

static void become_member(struct crew *c, pid_t leader)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != leader)
		_exit(126);
	/* The others' ends: a death is seen when nobody holds them. */
	for (unsigned i = 0; i < c->count; i++)
		close(c->fd[i]);
}

static int start_one(struct crew *c, crew_body *body, void *arg)
{
	unsigned idx = c->count;
	pid_t leader = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		become_member(c, leader);
		_exit(body(arg, idx, pair[1]));
	}
	close(pair[1]);
	if (pid < 0) {
		int err = -errno;

		close(pair[0]);
		return err;
	}
	c->pid[idx] = pid;
	c->fd[idx] = pair[0];
	c->count++;
	return 0;
}

int crew_start(struct crew *c, unsigned count, crew_body *body, void *arg)
{
	int err = 0;

	ASSERT(count <= CREW_MAX);
	*c = (struct crew){ 0 };
	fflush(NULL);
	while (err == 0 && c->count < count)
		err = start_one(c, body, arg);
	if (err != 0)
		crew_kill(c);
	return err;
}

int crew_await(const struct crew *c)
{
	int err = 0;

	for (unsigned i = 0; err == 0 && i < c->count; i++)
		err = receive_byte(c->fd[i]);
	return err;
}

/* One that has died meanwhile is found at the next step. */
void crew_release(const struct crew *c)
{
	for (unsigned i = 0; i < c->count; i++)
		(void)send_byte(c->fd[i]);
}

int crew_step(int step_fd)
{
	int err = send_byte(step_fd);

	return err != 0 ? err : receive_byte(step_fd);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   128 + WTERMSIG(status);
}

int crew_end(struct crew *c)
{
	int first = 0;

	for (unsigned i = 0; i < c->count; i++) {
		int result = wait_for(c->pid[i]);

		close(c->fd[i]);
		if (first == 0)
			first = result;
	}
	c->count = 0;
	return first;
}

void crew_kill(struct crew *c)
{
	for (unsigned i = 0; i < c->count; i++)
		kill(c->pid[i], SIGKILL);
	(void)!crew_end(c);
}
