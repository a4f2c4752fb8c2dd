/* SPDX-License-Identifier: MIT */
/* A log that nobody reads must not stop memd.
 *
 * memd wrote each line of its log from its loop.  With stderr a pipe that was
 * full, or a journal that had stopped, it waited there, and all programs with
 * it.  Here stderr is a small pipe and nobody reads; memd must go on answering,
 * and when somebody reads at last it must say how many lines are missing. */
#include "tests/integration/testadmin.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than the pipe and memd's own buffer take: each is a line of the log. */
enum { CONNECTIONS = 6000, CONNECTIONS_A_LOOK = 500 };

static int connect_often(const struct testmemd *tm)
{
	struct testadmin_status status;

	for (int i = 1; i <= CONNECTIONS; i++) {
		int fd = testmemd_connect(tm);

		if (fd < 0) {
			perror("connect");
			return -1;
		}
		close(fd);
		if (i % CONNECTIONS_A_LOOK == 0 &&
		    testadmin_status(tm, &status) != 0)
			return -1;
	}
	return 0;
}

static int counts_what_it_drops(const struct testmemd *tm)
{
	uint64_t dropped = 0;

	while (dropped == 0) {
		usleep(100000);
		if (testadmin_counter(tm, "log_dropped", &dropped) != 0)
			return -1;
	}
	return 0;
}

static int says_what_is_missing(int log_fd)
{
	FILE *log = fdopen(log_fd, "r");
	bool is_said = false;
	char *line = NULL;
	size_t size = 0;

	if (log == NULL)
		return -1;
	while (!is_said && getline(&line, &size, log) > 0)
		is_said = strstr(line, "warning log-dropped lines=") != NULL;
	free(line);
	return is_said ? 0 : -1;
}

int main(void)
{
	struct testmemd tm;
	int ends[2], failed = 0;

	/* A memd that hangs must not hang its test. */
	alarm(100);
	if (pipe2(ends, O_CLOEXEC) != 0)
		return 1;
	(void)fcntl(ends[1], F_SETPIPE_SZ, 4096);
	if (testmemd_start_log(&tm, NULL, ends[1]) != 0)
		return 1;
	close(ends[1]);
	if (connect_often(&tm) != 0 || counts_what_it_drops(&tm) != 0 ||
	    says_what_is_missing(ends[0]) != 0)
		failed = 1;
	/* And it ends although nobody reads any more. */
	if (testmemd_stop(&tm) != 0)
		failed = 1;
	printf("log_full_test: %s\n", failed ? "FAILED" : "ok");
	return failed;
}
