/* SPDX-License-Identifier: MIT */
/* Threads of a library in the program's process. */
#ifndef MEMD_COMMON_THREAD_H
#define MEMD_COMMON_THREAD_H

#include "common/checks.h"
#include <pthread.h>
#include <stddef.h>

/* Start a thread that gets no signals, because these are for the program.  Its
 * stack has `stack_bytes`, and room for the program's static thread-local
 * variables, which glibc puts on the stack.  (Not the default of 8 MiB, which
 * mlockall() would make real memory.)  ret_thread NULL: detached.  Returns 0 or
 * -errno. */
int thread_start(pthread_t *ret_thread, size_t stack_bytes,
		 void *(*thread_main)(void *), void *arg) MUST_CHECK;

/* Call this first on a thread that other threads wait for.  The thread gets the
 * ordinary policy, nice 0, and any processor of the cpuset, instead of what it
 * has inherited from the thread that started it.  What may not be changed
 * stays. */
void thread_settle(void);

#endif
