/* SPDX-License-Identifier: MIT */
/* What is done for a request of a guest: asking the pager, copying, replying.
 *
 * Pages to be read that are here are copied at once.  All others:
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

/* A read from slot `first` on, which the guest has, is about to start. */
void guest_step_prefetch(const struct guest *guest, uint64_t first);

/* It is on no list; what cannot be asked now is ready again, and what is done
 * already is gone.  Returns how many pages were copied at once. */
uint64_t guest_step_start(struct guest_op *op);

/* The pager has answered.  Called from inside of it. */
void guest_step_answered(struct guest_op *op, int result);

/* Go on with that.  Not from inside pager calls. */
void guest_step_take_answer(struct guest_op *op);

#endif
