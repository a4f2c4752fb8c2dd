/* SPDX-License-Identifier: MIT */
/* The write-behind buffer: slots whose bytes the server has not confirmed, in
 * memory of a fixed size.
 *
 *	          put                 send_begin            confirmed
 *	(free) ─────────▶ WAITING ─────────────────▶ SENT ───────────▶ (free)
 *	                  ▲  │ newer bytes: in place   │
 *	                  │  └▶ (free): dropped        ├▶ DROPPED ────▶ (free)
 *	                  └────────────────────────────┘ newer bytes, or drop
 *	                           send_again
 *
 *   free + WAITING + SENT + DROPPED == cell_count
 *
 * A slot has at most one cell that is WAITING or SENT.  An older cell of the
 * same slot is DROPPED and must never be sent again.  Answers come in any
 * order: the newer bytes may be confirmed, and gone from the buffer, before the
 * older ones are answered.  This file does no I/O. */
#ifndef MEMD_SWAPSTORE_REMOTE_BEHIND_H
#define MEMD_SWAPSTORE_REMOTE_BEHIND_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum behind_state { BEHIND_FREE, BEHIND_WAITING, BEHIND_SENT, BEHIND_DROPPED };

struct behind_cell {
	uint32_t slot;
	enum behind_state state;
	struct behind_cell *next;	/* next in its bucket */
	TAILQ_ENTRY(behind_cell) link;
};

TAILQ_HEAD(behind_cells, behind_cell);

struct behind {
	uint8_t *memory;		/* owned; [cell_count] slots */
	struct behind_cell *cells;	/* owned */
	/* owned; WAITING and SENT cells by slot */
	struct behind_cell **buckets;
	uint32_t bucket_mask;
	uint32_t cell_count, used_count;
	struct behind_cells free, waiting;
};

/* Returns 0, -EINVAL (room for no slot, or for too many), or -ENOMEM. */
int behind_init(struct behind *b, size_t bytes) MUST_CHECK;
void behind_fini(struct behind *b);

/* The bytes of the slot; NULL: the buffer does not have it. */
const uint8_t *behind_find(const struct behind *b, uint32_t slot);
uint8_t *behind_bytes(const struct behind *b, const struct behind_cell *cell);

/* Keep the newest bytes of the slot.  False: no room. */
bool behind_put(struct behind *b, uint32_t slot, const void *bytes);

/* The bytes of the slot are not needed any more. */
void behind_drop(struct behind *b, uint32_t slot);

/* Move waiting cells of neighbouring slots, up to `max`, to *to, in the order
 * of their slots.  The caller sends them.  Returns how many. */
uint32_t behind_send_begin(struct behind *b, uint32_t max,
			   struct behind_cells *to);

/* The server has answered the cells in *of: free them.  *of becomes empty. */
void behind_release(struct behind *b, struct behind_cells *of);

/* The cells in *of must be sent again, before all that wait.  *of becomes
 * empty. */
void behind_send_again(struct behind *b, struct behind_cells *of);

/* Count everything again, and ASSERT the equation above.  in_flight: cells in
 * all lists of the caller. */
void behind_check(const struct behind *b, uint32_t in_flight);

#endif
