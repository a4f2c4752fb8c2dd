/* SPDX-License-Identifier: MIT */
/* A memd of a test that may not make some system calls, so that it meets what
 * other file systems do.  Filters of system calls are a thread's own, and
 * inherited: so a thread starts it, and stays until it has ended. */
#ifndef MEMD_TESTS_CONFINED_H
#define MEMD_TESTS_CONFINED_H

#include "tests/integration/testmemd.h"
#include <pthread.h>
#include <semaphore.h>

enum confinement {
	CONFINED_NO_DIRECT,	/* O_DIRECT cannot be switched on */
	/* Files of a MiB and more cannot be allocated: they are filled with
	 * zeros.  (memd has small files in memory, too.) */
	CONFINED_NO_FALLOCATE,
};

struct confined {
	enum confinement what;
	struct testmemd *tm;
	const char *const *flags;
	int error, result;
	pthread_t thread;
	sem_t started, may_end;
};

/* As testmemd_start().  Ends the test case as skipped where the kernel has no
 * such filters.  Call confined_end() after memd has been stopped. */
int confined_start(struct confined *cf, enum confinement what,
		   struct testmemd *tm, const char *const *flags);
void confined_end(struct confined *cf);

#endif
