/* SPDX-License-Identifier: MIT */
/* One request of a store: its place among the others of that store, which it
 * waits for where they overlap, and its life (1, 2 of stores.h).  What is done
 * for it is store_step.h's, when store_schedule.h's. */
#ifndef MEMD_LEND_STORE_OP_H
#define MEMD_LEND_STORE_OP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct store;
struct stores;

enum store_op_kind { STORE_OP_READ, STORE_OP_WRITE, STORE_OP_DISCARD };

/* What the pager is asked for, or was, when it has answered. */
enum store_op_step {
	STORE_STEP_PIN,
	STORE_STEP_CLEAR,	/* lost pages go before they are written */
	STORE_STEP_UNPIN,
	STORE_STEP_DISCARD,
};

struct store_range {
	uint64_t first, count;
};

struct store_op {
	struct stores *stores;
	struct store *store;		/* NULL: gone */
	enum store_op_kind kind;
	enum store_op_step step;
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
	struct store_range *range;	/* owned; DISCARD */
	uint32_t range_count, range_idx;
	uint32_t blockers;
	uint64_t waiting_since_ns;	/* for pins; 0: not */
	TAILQ_ENTRY(store_op) link;	/* of the store, in order */
	TAILQ_ENTRY(store_op) work_link;	/* ready, or answered */
};

/* Out of memory: NULL. */
struct store_op *store_op_create(struct store *store, enum store_op_kind kind,
				 uint64_t request_id, uint64_t first,
				 uint64_t count);

/* NULL is allowed; not one that was submitted. */
void store_op_destroy(struct store_op *op);

/* Take a request.  `op` is owned from now on. */
void store_op_submit(struct store_op *op);

/* Its place in the store is another's.  It is on no list but that. */
void store_op_finish(struct store_op *op);

/* It was being worked on: it goes on first. */
void store_op_requeue(struct store_op *op);

uint64_t store_op_bytes(const struct store_op *op);

/* The slots that it pins next, as many as it may; and no more. */
void store_op_take_chunk(struct store_op *op);
void store_op_put_chunk(struct store_op *op);

/* Its reply counts no longer as one that is made. */
void store_op_stop_reading(struct store_op *op);

/* Nothing of what was asked for has an effect, or is answered, from now on. */
void store_orphan_ops(struct store *store);
/* The store goes: so do they, or, those the pager is at, when it answers. */
void store_drop_ops(struct store *store);

#endif
