/* SPDX-License-Identifier: MIT */
/* The handover: how memd gives work to a helper process.  It is a ring of
 * orders in shared memory, which the helper carries out one after the other,
 * and two counters.  Descriptors go over a socket.
 *
 *   memd    writes orders into the ring, and then raises `asked`
 *   helper  writes a result into each order, and then raises `answered`
 *
 * answered <= asked <= answered + HANDOVER_ORDERS, as numbers that wrap.  Order
 * number n is order[n % HANDOVER_ORDERS]. */
#ifndef MEMD_BACKING_HANDOVER_H
#define MEMD_BACKING_HANDOVER_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HANDOVER_ORDERS = 1024 };	/* a power of two */

enum handover_kind {
	HANDOVER_PUNCH,
	HANDOVER_TRUNCATE,	/* truncate the file to length 0, and close its
				 * descriptor */
	HANDOVER_TAKE,		/* the next message on the socket is the number
				 * of a file, with its descriptor */
	HANDOVER_DROP,		/* close the descriptor of the file */
	HANDOVER_DROP_ALL,
};

struct handover_order {
	uint32_t kind;
	uint32_t file;
	/* memd wants to know when this is done: wake it, or write to the
	 * eventfd. */
	uint32_t is_told;
	int32_t result;			/* PUNCH, TRUNCATE: 0 or -errno of
					 * fallocate(2), ftruncate(2) */
	uint64_t offset, length;
	/* PUNCH, result: the first byte at or after `offset` where there is
	 * data after the punch; UINT64_MAX: none. */
	uint64_t next_data;
	/* TRUNCATE, result: bytes of blocks that the file still has. */
	uint64_t left_bytes;
};

struct handover {
	_Atomic uint32_t asked;
	_Alignas(64) _Atomic uint32_t answered;
	/* memd sleeps until `answered` changes: wake it. */
	_Atomic uint32_t is_awaited;
	_Alignas(64) struct handover_order order[HANDOVER_ORDERS];
};

static inline struct handover_order *handover_order(struct handover *ho,
						    uint32_t number)
{
	return &ho->order[number % HANDOVER_ORDERS];
}

static inline void handover_wake(_Atomic uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Wait until the word is not `value`, or for timeout_ns, which must be below a
 * second; 0: no limit.  May return early. */
static inline void handover_wait(_Atomic uint32_t *word, uint32_t value,
				 uint64_t timeout_ns)
{
	struct timespec ts = { .tv_nsec = (long)timeout_ns };

	(void)syscall(SYS_futex, word, FUTEX_WAIT, value,
		      timeout_ns != 0 ? &ts : NULL, NULL, 0);
}

#endif
