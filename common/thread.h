/* SPDX-License-Identifier: MIT */
/* Threads of ours in somebody else's program. */
#ifndef MEMD_COMMON_THREAD_H
#define MEMD_COMMON_THREAD_H

#include "common/checks.h"
#include <pthread.h>
#include <stddef.h>

/* Start one that gets no signals, which are the program's business, and has a
 * stack of `stack_bytes` besides what the program's static thread-local
 * variables take, which glibc puts there: not the default's 8 MiB, which
 * mlockall() would make real.  ret_thread NULL: detached.  Returns 0 or
 * -errno. */
int thread_start(pthread_t *ret_thread, size_t stack_bytes,
		 void *(*thread_main)(void *), void *arg) MUST_CHECK;

/* To be called first on a thread that others wait for: run as an ordinary
 * thread, at any processor that the process may have, not as and where whoever
 * started it happened to run (pinned to one, with a realtime policy, or nice).
 * Cpusets hold.  What may not be changed stays. */
void thread_settle(void);

#endif
