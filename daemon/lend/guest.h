/* SPDX-License-Identifier: MIT */
/* A guest: another host that keeps pages here, and those pages, an array of
 * 4 KiB slots in a private segment that nobody maps.  They are the pager's as
 * any others; a request brings its own in, pinned if that takes any time, and
 * copies them from or to the socket's buffers.
 *
 *             StoreOpen                 connection broken
 *   (none) ───────────────▶ attached ◀─────────────────▶ kept
 *                               │    StoreOpen, token     │ guest_keep
 *                               └──▶ gone: StoreClose ◀───┘
 *                                    or GuestDrop
 *
 * 1. Requests (struct guest_op) are kept in the order in which they came.  One
 *    starts when no unfinished one before it overlaps it: `blockers` counts
 *    those.  ready are those with blockers == 0 that the pager is not at.
 * 2. What was asked for on a connection that broke, or that another took the
 *    guest's place from, is orphaned at once: it copies and answers nothing any
 *    more; only pins are taken off, and until then those behind it wait.
 * 3. pinned_pages is the sum of chunks that are pinned, or may have to be; at
 *    most an eighth of the pool, which is not taken from what programs here may
 *    pin, nor can they take it (pager_segment_reserve()).
 * 4. A request that finds no pins all the same, as its user is at his limit or
 *    memory lacks, waits up to PATIENCE_NS (guest_step.c), and its guest with
 *    it, but no other; then the guest is told, who asks again.
 * 5. Nothing of a guest's grows without bound: over the limits of
 *    guest_flow.h its connection is not read from (conn_hold), and reads start
 *    only while its replies find room. */
#ifndef MEMD_LEND_GUEST_H
#define MEMD_LEND_GUEST_H

#include "common/deferred.h"
#include "daemon/net/peer.h"
#include "daemon/pager/pager.h"
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct account;
struct accounts;
struct awake;
struct config;
struct conns;
struct engine;
struct guests;
struct pending_table;
struct segment;
struct segments;
struct session;
struct stats;

enum {
	GUEST_TOKEN_BYTES = 16,
	GUEST_SLOTS_MAX = 512,			/* slots of one request */
};

/* ---- requests */

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

TAILQ_HEAD(guest_op_list, guest_op);

static inline uint64_t guest_op_bytes(const struct guest_op *op)
{
	return op->count * PAGER_UNIT_BYTES;
}

/* ---- guests */

struct guest {
	struct guests *guests;
	uint32_t id;			/* for administrators */
	struct segment *segment;	/* held as if attached */
	struct account *account;	/* held */
	struct session *session;	/* NULL: kept for its return */
	uint8_t token[GUEST_TOKEN_BYTES];
	char host[PEER_HOST_BYTES], network[PEER_HOST_BYTES];
	char name[PEER_NAME_BYTES];	/* in the certificate */
	char printable_name[PEER_NAME_BYTES];
	uid_t uid;
	uint32_t slot_count;
	uint64_t idle_since_ns;		/* session NULL */
	uint64_t read_bytes, written_bytes;
	uint64_t last_read_bytes, last_written_bytes;	/* for the rates */
	double read_bytes_per_s, written_bytes_per_s;
	struct guest_op *receiving;	/* its payload is on the way */
	struct guest_op_list ops, ready;
	uint32_t op_count;
	uint64_t held_bytes;		/* of payloads, and of ranges */
	uint64_t reading_bytes;		/* replies started */
	bool is_due;
	bool is_starved;		/* it waits for a moment */
	TAILQ_ENTRY(guest) link;
	TAILQ_ENTRY(guest) due_link;	/* of due, or of starved */
};

TAILQ_HEAD(guest_list, guest);

struct guests {
	/* Borrowed; to be filled in before guests_init(). */
	const struct config *config;
	struct stats *stats;
	struct engine *engine;
	struct conns *conns;
	struct awake *awake;
	struct pending_table *pending;
	struct accounts *accounts;
	struct segments *segments;
	struct deferred *deferred;

	struct deferred_work work;	/* more than one turn does */
	bool is_ready;			/* guests_init() has been called */
	struct guest_list all;
	struct guest_list due;		/* with something to start */
	struct guest_list starved;	/* … after a moment */
	struct guest_op_list answered;	/* by the pager */
	TAILQ_HEAD(, guest_room_wait) waiting;	/* for room to be free */
	uint32_t count;
	uint32_t last_id;
	uint32_t asked_count;		/* ops that the pager is at */
	uint64_t pinned_pages, pinned_max;
	bool is_full;			/* pinned_pages: wait for an end */
	bool has_retry;
	struct event retry;		/* of starved ones */
};

#endif
