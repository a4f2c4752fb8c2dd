/* SPDX-License-Identifier: MIT */
/* One request of a store: its place among the others of that store, which it
 * waits for where they overlap, and its life (1, 2 of stores.h).  What is done
 * for it is guest_step.h's, when guest_schedule.h's. */
#ifndef MEMD_LEND_GUEST_OP_H
#define MEMD_LEND_GUEST_OP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct guest;
struct guests;

enum guest_op_kind { GUEST_OP_READ, GUEST_OP_WRITE, GUEST_OP_DISCARD };

/* What the pager is asked for, or was, when it has answered. */
enum guest_op_step {
	GUEST_STEP_PIN,
	GUEST_STEP_CLEAR,	/* lost pages go before they are written */
	GUEST_STEP_UNPIN,
	GUEST_STEP_DISCARD,
};

struct guest_range {
	uint64_t first, count;
};

struct guest_op {
	struct guests *guests;
	struct guest *guest;		/* NULL: gone */
	enum guest_op_kind kind;
	enum guest_op_step step;
	bool is_asked;			/* the pager is at it, or answered */
	bool is_orphan;
	bool was_cleared;		/* the chunk must be written now */
	bool is_reading;		/* its reply is counted */
	uint64_t request_id;
	int result;			/* the pager's */
	uint64_t first, count;		/* slots; of a discard the hull */
	uint64_t done, chunk;		/* slots copied; at hand now */
	uint64_t chunk_max;
	uint8_t *bytes;			/* owned: to be written, or read so
					 * far; NULL: no need */
	struct guest_range *range;	/* owned; DISCARD */
	uint32_t range_count, range_idx;
	uint32_t blockers;
	uint64_t waiting_since_ns;	/* for pins; 0: not */
	TAILQ_ENTRY(guest_op) link;	/* of the guest, in order */
	TAILQ_ENTRY(guest_op) work_link;	/* ready, or answered */
};

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

uint64_t guest_op_bytes(const struct guest_op *op);

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
