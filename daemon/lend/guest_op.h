/* SPDX-License-Identifier: MIT */
/* One request of a guest: its place in the order of requests, where it waits
 * for overlapping ones, and its life cycle (1 and 2 of guest.h).  guest_step.h
 * executes it; guest_schedule.h chooses when. */
#ifndef MEMD_LEND_GUEST_OP_H
#define MEMD_LEND_GUEST_OP_H

#include "daemon/lend/guest.h"

/* Returns NULL if out of memory. */
struct guest_op *guest_op_create(struct guest *guest, enum guest_op_kind kind,
				 uint64_t request_id, uint64_t first,
				 uint64_t count);

/* Free a request that was not submitted, or that is on no list.  NULL is
 * allowed. */
void guest_op_destroy(struct guest_op *op);

/* Add a request to its guest.  Takes `op`. */
void guest_op_submit(struct guest_op *op);

/* End and free a request; requests that waited for it may start.  `op` is on
 * the list guest.ops, and on no other. */
void guest_op_finish(struct guest_op *op);

/* Make a request ready again, before all other ready requests of its guest. */
void guest_op_requeue(struct guest_op *op);

/* Choose the slots that are pinned next, as many as allowed; or give up the
 * chunk. */
void guest_op_take_chunk(struct guest_op *op);
void guest_op_put_chunk(struct guest_op *op);

/* The reply of `op` is no longer counted in guest.reading_bytes. */
void guest_op_stop_reading(struct guest_op *op);

/* Make all requests orphans: they have no more effect and get no answer. */
void guest_orphan_ops(struct guest *guest);
/* The store is closed: free all requests.  Requests that the pager works on are
 * freed when it answers. */
void guest_drop_ops(struct guest *guest);

#endif
