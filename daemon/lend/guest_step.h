/* SPDX-License-Identifier: MIT */
/* Executes a guest's request: asks the pager, copies, replies.
 *
 * A read of resident pages is copied at once.  Everything else:
 *
 *            start           answered                 answered
 *   ready ───────────▶ PIN ────────────▶ copy, UNPIN ───────────▶ the next
 *     ▲                 │ no pins                                 chunk, or
 *     └─────────────────┘                                         the end */
#ifndef MEMD_LEND_GUEST_STEP_H
#define MEMD_LEND_GUEST_STEP_H

#include <stdint.h>

struct guest;
struct guest_op;

/* Prefetch into the CPU cache what a read from slot `first` needs.  The slot is
 * inside the guest's store. */
void guest_step_prefetch(const struct guest *guest, uint64_t first);

/* Start or continue a request that is on no list but guest.ops.  Afterwards it
 * waits for the pager, is ready again, or has ended and is freed.  Returns how
 * many pages were copied. */
uint64_t guest_step_start(struct guest_op *op);

/* The pager has answered.  Called from inside the pager: only queues `op`. */
void guest_step_answered(struct guest_op *op, int result);

/* Continue with the answer.  Do not call from inside pager callbacks. */
void guest_step_take_answer(struct guest_op *op);

#endif
