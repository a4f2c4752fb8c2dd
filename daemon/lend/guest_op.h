/* SPDX-License-Identifier: MIT */
/* One request of a guest: its place among its others, for which it waits where
 * they overlap, and its life (1, 2 of guest.h).  What is done for it is
 * guest_step.h's, when guest_schedule.h's. */
#ifndef MEMD_LEND_GUEST_OP_H
#define MEMD_LEND_GUEST_OP_H

#include "daemon/lend/guest.h"

/* Out of memory: NULL. */
struct guest_op *guest_op_create(struct guest *guest, enum guest_op_kind kind,
				 uint64_t request_id, uint64_t first,
				 uint64_t count);

/* NULL is allowed; not one that was submitted. */
void guest_op_destroy(struct guest_op *op);

/* Take a request.  `op` is owned from now on. */
void guest_op_submit(struct guest_op *op);

/* Its place in the store is another's.  It is on no list but that. */
void guest_op_finish(struct guest_op *op);

/* It was being worked on: it goes on first. */
void guest_op_requeue(struct guest_op *op);

/* The slots that it pins next, as many as it may; and no more. */
void guest_op_take_chunk(struct guest_op *op);
void guest_op_put_chunk(struct guest_op *op);

/* Its reply counts no longer as one that is made. */
void guest_op_stop_reading(struct guest_op *op);

/* Nothing of what was asked for has an effect, or is answered, from now on. */
void guest_orphan_ops(struct guest *guest);
/* The store goes: so do they, or, those the pager is at, when it answers. */
void guest_drop_ops(struct guest *guest);

#endif
