/* SPDX-License-Identifier: MIT */
/* The handover: how memd gives work to a helper process.  It is a page of
 * shared memory with two counters that are futexes.  Descriptors go over a
 * socket. */
#ifndef MEMD_BACKING_HANDOVER_H
#define MEMD_BACKING_HANDOVER_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HANDOVER_RUNS_MAX = 64 };

enum handover_kind {
	HANDOVER_TAKE,			/* receive a descriptor on the socket */
	HANDOVER_DROP,			/* close one descriptor */
	HANDOVER_FORGET,		/* close all descriptors */
	HANDOVER_PUNCH,
};

#define CLAIM_NONE		UINT32_MAX

/* Shared with the helper.  memd writes the request, and then increments
 * `asked`.  The helper answers, and then sets `answered` to the same number.
 *
 * The helper claims run i by moving `claim` from i to i + 1.  memd takes the
 * remaining runs back by setting `claim` to CLAIM_NONE.  Runs before the last
 * claimed one are done. */
struct handover {
	_Atomic uint32_t asked;
	_Alignas(64) _Atomic uint32_t answered;
	_Atomic uint32_t claim;
	enum handover_kind kind;
	/* The helper's number of the descriptor. */
	int32_t fd;
	uint32_t count;
	struct {
		int32_t fd, result;
		uint64_t offset, length, next_data;
	} run[HANDOVER_RUNS_MAX];
};

static inline void handover_wake(_Atomic uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Wait until `word` changes from `value`, or until timeout_ms, which must be
 * below 1000; 0: no limit.  May return early. */
static inline void handover_wait(_Atomic uint32_t *word, uint32_t value,
		       unsigned timeout_ms)
{
	struct timespec ts = { .tv_nsec = (long)timeout_ms * 1000000 };

	(void)syscall(SYS_futex, word, FUTEX_WAIT, value,
		      timeout_ms != 0 ? &ts : NULL, NULL, 0);
}

#endif
