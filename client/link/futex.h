/* SPDX-License-Identifier: MIT */
/* Wait for a word to change, and wake the threads that wait.  This is not a
 * lock.
 *
 * Async-signal-safe.  Unlike sem_wait() or pthread_cond_wait(), never a
 * cancellation point.  errno does not change. */
#ifndef MEMD_CLIENT_LINK_FUTEX_H
#define MEMD_CLIENT_LINK_FUTEX_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleep while *word is `value`, at most timeout_ns (0: no limit).  May return
 * early, so the caller must look at the word again. */
static inline void futex_wait(_Atomic uint32_t *word, uint32_t value,
			      uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / 1000000000u),
		.tv_nsec = (long)(timeout_ns % 1000000000u),
	};
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value,
		timeout_ns != 0 ? &ts : NULL, NULL, 0);
	errno = saved;
}

static inline void futex_wake(_Atomic uint32_t *word, int waiter_count)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, waiter_count, NULL, NULL,
		0);
	errno = saved;
}

#endif
