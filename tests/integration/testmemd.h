/* SPDX-License-Identifier: MIT */
/* A private memd for one test: started with its own socket in a temporary
 * folder, waited for until it says READY=1, stopped and looked at.  Not a
 * protocol client: see daemon_wire_test.c or libmemclient.
 *
 * The program is $MEMD_BIN, else the one of this build.  It is killed when the
 * test dies.  Defaults: 16 MiB pool, 80 MiB swap, log level debug; flags given
 * by the test come after these and win. */
#ifndef MEMD_TESTS_TESTMEMD_H
#define MEMD_TESTS_TESTMEMD_H

#include "tests/temporary.h"
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

struct testmemd {
	pid_t pid;		/* 0: not running */
	int pidfd;
	int notify_fd;		/* where memd's sd_notify() messages arrive */
	char dir[TEMPORARY_BYTES];	/* also for its swap files */
	char socket[96];	/* a path inside dir */
	char log[96];
};

/* Start memd with `flags` (NULL-terminated, may be NULL) and wait until it is
 * ready.  Returns 0, or -1 after printing memd's log.  Where the kernel does
 * not let memd run (its exit status 3) the test program ends with status 77
 * and says why. */
int testmemd_start(struct testmemd *tm, const char *const *flags);

/* The same, with memd's output to log_fd; tm->log is not there then. */
int testmemd_start_log(struct testmemd *tm, const char *const *flags,
		       int log_fd);

/* The same without waiting for it. */
int testmemd_begin(struct testmemd *tm, const char *const *flags);

/* SIGTERM, wait, remove the folder.  Returns 0 when memd exited with status 0,
 * else -1 after printing its log. */
int testmemd_stop(struct testmemd *tm);

/* The same without asking: SIGKILL.  For tests of sudden death. */
void testmemd_kill(struct testmemd *tm);

/* Wait until a message of memd to its service manager contains `text`, for
 * example "RELOADING=1".  Messages before it are dropped.  Returns 0, or -1
 * when memd ended or a minute passed. */
int testmemd_await(struct testmemd *tm, const char *text);

/* A new connected stream socket to it, or -1. */
int testmemd_connect(const struct testmemd *tm);

/* Its log with all that it has said so far; NULL when there is none. */
FILE *testmemd_open_log(const struct testmemd *tm);

/* How often `text` occurs in its log so far. */
unsigned testmemd_log_count(const struct testmemd *tm, const char *text);

/* Open memd's swap files for reading and writing, as it has them now: they have
 * no names.  Returns how many there are, or -1; the first `most` are in
 * ret_fds, for the caller to close. */
int testmemd_open_swap(const struct testmemd *tm, int *ret_fds, int most);

void testmemd_dump_log(const struct testmemd *tm);

/* Run memd with exactly `flags` until it ends by itself; its stdout and
 * stderr, as much as fits, go to `output`.  Returns its exit status, or -1
 * (killed, or still there after a minute). */
int testmemd_run(const char *const *flags, char *output, size_t output_size);

#endif
