/* SPDX-License-Identifier: MIT */
/* What other hosts keep here: stores, each an array of 4 KiB slots in a
 * private segment that nobody maps.  Its pages are the pager's as any others;
 * a request brings its own in and pins them for as long as it takes to copy
 * them from or to the socket's buffers.
 *
 *             StoreOpen                 connection broken
 *   (none) ───────────────▶ attached ◀─────────────────▶ kept
 *                               │    StoreOpen, token     │ store_keep
 *                               └──▶ gone: StoreClose ◀───┘
 *
 * 1. Requests (struct store_op) are kept in the order in which they came.  One
 *    starts when no unfinished one before it overlaps it: `blockers` counts
 *    those.  ready are those with blockers == 0 that the pager is not at.
 * 2. What was asked for on a connection that broke, or that another took the
 *    store from, is orphaned at once: it copies and answers nothing any more;
 *    only pins are taken off, and until then those behind it wait.
 * 3. pinned_pages is the sum of chunks that are pinned or being pinned; at most
 *    an eighth of the pool, so that programs here can pin, too.
 * 4. A request waits for as long as it takes until pins are to be had, up to
 *    PATIENCE; the client is told of nothing that passes by itself.
 * 5. Nothing of a client's grows without bound: over the limits below its
 *    connection is not read from (conn_hold), and reads start only while its
 *    replies find room. */
#ifndef MEMD_DAEMON_STORES_H
#define MEMD_DAEMON_STORES_H

#include "common/checks.h"
#include "daemon/peer.h"
#include "daemon/segments.h"
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;
struct daemon;
struct session;

enum {
	STORE_TOKEN_BYTES = 16,
	STORE_COUNT_MAX = 512,			/* slots of one request */
	STORE_OPS_MAX = 256,			/* unfinished, of one store */
	/* Payloads kept for it, and replies made for it: at most, and less
	 * where there are many stores. */
	STORE_WRITE_BYTES = 8 * 1024 * 1024,
	STORE_READ_BYTES = 4 * 1024 * 1024,
	/* What its output may be longer than that of others: those replies
	 * and one more, and an Error for each request. */
	STORE_OUTPUT_BYTES = STORE_READ_BYTES + 2 * 1024 * 1024 +
			     STORE_OPS_MAX * 2048,
};

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
	bool is_asked;			/* the pager is at it, or has answered */
	bool is_orphan;
	bool was_cleared;		/* the chunk must be written now */
	bool is_reading;		/* its reply is counted */
	uint64_t request_id;
	int result;			/* the pager's */
	uint64_t first, count;		/* slots; of a discard the hull */
	uint64_t done, chunk;		/* slots copied; pinned now */
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

TAILQ_HEAD(store_op_list, store_op);

struct store {
	struct stores *stores;
	struct segment *segment;	/* held as if attached */
	struct account *account;	/* held */
	struct session *session;	/* NULL: kept for its return */
	uint8_t token[STORE_TOKEN_BYTES];
	char host[PEER_HOST_BYTES], network[PEER_HOST_BYTES];
	char name[PEER_NAME_BYTES];	/* in the certificate */
	char printable_name[PEER_NAME_BYTES];
	uid_t uid;
	uint32_t slot_count;
	uint64_t idle_since_ns;		/* session NULL */
	uint64_t read_bytes, written_bytes;
	uint64_t last_read_bytes, last_written_bytes;	/* for the rates */
	double read_bytes_per_s, written_bytes_per_s;
	struct store_op *receiving;	/* its payload is on the way */
	struct store_op_list ops, ready;
	uint32_t op_count;
	uint64_t write_bytes;		/* payloads held */
	uint64_t reading_bytes;		/* replies started */
	bool is_due;
	TAILQ_ENTRY(store) link, due_link;
};

TAILQ_HEAD(store_list, store);

struct stores {
	struct daemon *daemon;
	struct store_list all;
	struct store_list due;		/* with something to start */
	struct store_op_list answered;	/* by the pager */
	TAILQ_HEAD(, store_room_wait) waiting;	/* for room to be free */
	uint32_t count;
	uint32_t asked_count;		/* ops that the pager is at */
	uint64_t pinned_pages, pinned_max;
	bool is_full;			/* pinned_pages: wait for an end */
	bool is_starved;		/* the pager is: wait for */
	bool has_retry;
	struct event retry;
};

/* What a client asks for. */
struct store_wish {
	uint32_t slot_count;
	const uint8_t *token;		/* NULL: a new one */
};

void stores_init(struct stores *ss, struct daemon *d);
/* Ends all stores.  The pager must still be there, or never have been. */
void stores_fini(struct stores *ss);

/* Make one for a session, or give it the one it had.  Returns 0, or -errno
 * with a line in ret_reason: -ENOENT (no such store), -EINVAL (not its size),
 * -EDQUOT, -ENOSPC … as segments_add(). */
int stores_open(struct session *s, const struct store_wish *wish,
		char *ret_reason, size_t reason_size) MUST_CHECK;

/* The session ends: keep its store for a while. */
void stores_leave(struct session *s);

/* Its bytes go; what was asked for and not done is answered with ECANCELED, and
 * `request_id` with Ok when the store's room is free.  Returns 0; or -EBUSY,
 * -ENOMEM, and it is as it was. */
int stores_close(struct store *store, uint64_t request_id) MUST_CHECK;

/* memd stops: all of them. */
void stores_end(struct stores *ss);

/* Now and then: those that nobody came back for. */
void stores_expire(struct stores *ss);

/* Once a second. */
void stores_watch_rates(struct stores *ss);

/* Pages of it that are not zero, wherever they are. */
uint64_t store_page_count(const struct store *store);

/* No pins are to be had: try again in a moment. */
void stores_starve(struct stores *ss);

/* ---- store_ops.c */

/* Take a request.  `op` is owned from now on.  Out of memory: NULL. */
struct store_op *store_op_create(struct store *store, enum store_op_kind kind,
				 uint64_t request_id, uint64_t first,
				 uint64_t count);
void store_op_destroy(struct store_op *op);
void store_op_submit(struct store_op *op);

/* Nothing of what was asked for has an effect, or is answered, from now on. */
void store_orphan_ops(struct store *store);
/* The store goes: so do they, or, those the pager is at, when it answers. */
void store_drop_ops(struct store *store);

/* The pager has answered.  Called from inside of it. */
void store_op_answered(struct store_op *op, int result);

/* Go on with what can go on; a bounded piece.  Not from inside pager calls. */
void stores_step(struct daemon *d);
/* There is more to do at once. */
bool stores_have_work(const struct stores *ss);

/* The session's replies have been sent, as far as they go. */
void stores_drained(struct session *s);

#endif
