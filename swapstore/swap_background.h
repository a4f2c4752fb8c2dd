/* SPDX-License-Identifier: MIT */
/* Readahead and writes, here called the background, on their way to a disk.
 *
 * A disk serves what it has in an order of its own, so a demand read waits for
 * all that the disk was given before it.  The background is therefore kept
 * back: the disk has only so many slots of it at a time as keep it busy.
 *
 *	      add          next, when there is room           ended
 *	─────────▶ WAITING ────────────────────────▶ GIVEN ──────────▶
 *
 *   SB1  given_slots is the sum over the requests that are GIVEN.  next() does
 *        not raise it above the limit of that time, save for one request that
 *        is alone.
 *   SB2  When next() has returned NULL, a request is WAITING only if another is
 *        GIVEN.  So if the owner calls next() until NULL after each add() and
 *        each ended(), no request waits for ever, as long as the disk ends what
 *        it is given.
 *   SB3  Of the two classes, next() takes the one that swap_order.h says. */
#ifndef MEMD_SWAPSTORE_SWAP_BACKGROUND_H
#define MEMD_SWAPSTORE_SWAP_BACKGROUND_H

#include "swapstore/swap_order.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* Slots that the disk has at a time: BUSY while there are demand reads, and
 * until QUIET_AFTER slots were given without one; then QUIET.
 *
 * Measured on a disk that writes 2 GB/s in requests of 64 slots.  A read takes
 * 0.08 ms alone; beside such writes 0.2 ms with 128 slots, 0.4 with 192, 0.6
 * with 256, 4 with 512 or without a limit; and beside as much readahead without
 * a limit 20 ms.  Writes alone get 80 % of that speed with 128 slots, 88 % with
 * 256, and all of it with 1024. */
enum {
	BACKGROUND_BUSY_SLOTS = 128,
	BACKGROUND_QUIET_SLOTS = 1024,
	BACKGROUND_QUIET_AFTER_SLOTS = 4096,
};

/* Embedded in the owner's request. */
struct background_item {
	enum swap_class class;		/* no demand read */
	uint32_t slot_count;
	STAILQ_ENTRY(background_item) link;
};

STAILQ_HEAD(background_items, background_item);

struct swap_background {
	struct background_items waiting[SWAP_CLASSES];
	struct swap_order order;
	uint32_t given_slots;
	/* Slots given since the last demand read; at most QUIET_AFTER. */
	uint32_t quiet_slots;
};

void swap_background_init(struct swap_background *bg);

void swap_background_add(struct swap_background *bg,
			 struct background_item *item);
/* The next item for the disk, which has it from now on; NULL: none waits, or
 * there is no room.  has_demand: the disk has demand reads. */
struct background_item *swap_background_next(struct swap_background *bg,
					     bool has_demand);
/* The disk has ended a request that it was given. */
void swap_background_ended(struct swap_background *bg,
			   const struct background_item *item);

/* The disk gets a demand read. */
static inline void swap_background_disturb(struct swap_background *bg)
{
	bg->quiet_slots = 0;
}

bool swap_background_is_waiting(const struct swap_background *bg);

#endif
