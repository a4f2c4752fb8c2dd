/* SPDX-License-Identifier: MIT */
/* Whose turn it is: requests of an earlier class go first, but no class waits
 * for ever. */
#ifndef MEMD_SWAPSTORE_SWAP_ORDER_H
#define MEMD_SWAPSTORE_SWAP_ORDER_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>

/* The earlier, the sooner. */
enum swap_class {
	SWAP_DEMAND,	/* a read that a fault waits for */
	SWAP_AHEAD,	/* a read that may be wanted soon */
	SWAP_WRITE,
	SWAP_CLASSES,
};

enum { SWAP_TURNS_MAX = 16 };

static inline enum swap_class swap_class_of(bool is_write, bool is_ahead)
{
	return is_write ? SWAP_WRITE : is_ahead ? SWAP_AHEAD : SWAP_DEMAND;
}

/* A class *waits* while it has requests.  It is *ready* if it waits and its
 * next request may begin.  All zeros: no class has waited.
 *
 *   SO1  passed[c] counts the turns that went to other classes while c was
 *        ready, since c had a turn or did not wait.  (A class that waits and
 *        is not ready keeps its count: the others must not be able to take its
 *        place over and over.)
 *   SO2  Of the ready classes, one with passed[c] >= SWAP_TURNS_MAX comes
 *        before those with less; of several the earliest.  Its turn sets it to
 *        0, so passed[c] < SWAP_TURNS_MAX + SWAP_CLASSES - 1. */
struct swap_order {
	uint8_t passed[SWAP_CLASSES];
};

/* Which of the classes in `ready` (bits, at least one) has the next turn. */
enum swap_class swap_order_next(const struct swap_order *so, unsigned ready);

/* `taken`, of the classes in `ready`, has its turn. */
void swap_order_take(struct swap_order *so, unsigned waiting, unsigned ready,
		     enum swap_class taken);

/* Of a queue of 8 requests and more, a quarter is kept for demand reads, an
 * eighth for readahead, and an eighth for writes: room that other classes
 * cannot take.  True if the queue takes one more of `class`. */
bool swap_order_has_room(uint32_t depth,
			 const uint32_t in_flight_of[SWAP_CLASSES],
			 enum swap_class class);

#endif
