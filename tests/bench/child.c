/* SPDX-License-Identifier: MIT */
/* See child.h. */
#include "tests/bench/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const int stop_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* For the handler. */
static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t running_pid;	/* 0: none */

static void on_stop(int sig)
{
	int saved = errno;

	stop_signal = sig;
	if (running_pid != 0)
		kill((pid_t)running_pid, SIGKILL);
	errno = saved;
}

static sigset_t stop_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		sigaddset(&set, stop_signals[i]);
	return set;
}

void child_init(void)
{
	struct sigaction sa = { .sa_handler = on_stop, .sa_mask = stop_set() };

	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		sigaction(stop_signals[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int child_stop_signal(void)
{
	return stop_signal;
}

void child_block_signals(void)
{
	sigset_t set = stop_set();

	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void become_child(pid_t parent, const sigset_t *mask)
{
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		signal(stop_signals[i], SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	sigprocmask(SIG_SETMASK, mask, NULL);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return 128 + WTERMSIG(status);
}

int child_run(int (*body)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid;
	sigset_t set = stop_set(), old;
	int result;

	fflush(NULL);
	sigprocmask(SIG_BLOCK, &set, &old);
	pid = stop_signal == 0 ? fork() : -1;
	result = -errno;
	if (pid == 0) {
		become_child(parent, &old);
		_exit(body(arg));
	}
	if (pid > 0) {
		running_pid = pid;
		sigprocmask(SIG_SETMASK, &old, NULL);
		result = wait_for(pid);
		running_pid = 0;
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return stop_signal != 0 ? -EINTR : result;
}
