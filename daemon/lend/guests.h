/* SPDX-License-Identifier: MIT */
/* What other hosts keep here: stores, each an array of 4 KiB slots in a
 * private segment that nobody maps.  Its pages are the pager's as any others;
 * a request brings its own in, pinned if that takes any time, and copies them
 * from or to the socket's buffers.
 *
 *             StoreOpen                 connection broken
 *   (none) ───────────────▶ attached ◀─────────────────▶ kept
 *                               │    StoreOpen, token     │ store_keep
 *                               └──▶ gone: StoreClose ◀───┘
 *                                    or StoreDrop
 *
 * 1. Requests (guest_op.h) are kept in the order in which they came.  One
 *    starts when no unfinished one before it overlaps it: `blockers` counts
 *    those.  ready are those with blockers == 0 that the pager is not at.
 * 2. What was asked for on a connection that broke, or that another took the
 *    store from, is orphaned at once: it copies and answers nothing any more;
 *    only pins are taken off, and until then those behind it wait.
 * 3. pinned_pages is the sum of chunks that are pinned, or may have to be; at
 *    most an eighth of the pool, which is not taken from what programs here may
 *    pin, nor can they take it (pager_segment_reserve()).
 * 4. A request that finds no pins all the same, as its user is at his limit or
 *    memory lacks, waits up to PATIENCE, and its store with it, but no other;
 *    then the client is told, who asks again.
 * 5. Nothing of a client's grows without bound: over the limits of
 *    guest_flow.h its connection is not read from (conn_hold), and reads start
 *    only while its replies find room. */
#ifndef MEMD_LEND_GUESTS_H
#define MEMD_LEND_GUESTS_H

#include "common/checks.h"
#include "daemon/net/peer.h"
#include "daemon/serve/segments.h"
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;
struct daemon;
struct session;
struct guest_op;

enum {
	GUEST_TOKEN_BYTES = 16,
	GUEST_SLOTS_MAX = 512,			/* slots of one request */
};

TAILQ_HEAD(guest_op_list, guest_op);

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
	struct daemon *daemon;
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

/* What a client asks for. */
struct guest_wish {
	uint32_t slot_count;
	const uint8_t *token;		/* NULL: a new one */
};

void guests_init(struct guests *gs, struct daemon *d);
/* Ends all stores.  The pager must still be there, or never have been. */
void guests_fini(struct guests *gs);

/* Make one for a session, or give it the one it had.  Returns 0, or -errno
 * with a line in ret_reason: -ENOENT (no such store), -EINVAL (not its size),
 * -EDQUOT, -ENOSPC … as segments_add(). */
int guests_open(struct session *s, const struct guest_wish *wish,
		char *ret_reason, size_t reason_size) MUST_CHECK;

/* The session ends: keep its store for a while. */
void guests_leave(struct session *s);

/* Its bytes go; what was asked for and not done is answered with ECANCELED, and
 * `request_id` with Ok when the store's room is free.  Returns 0; or -EBUSY,
 * -ENOMEM, and it is as it was. */
int guests_close(struct guest *guest, uint64_t request_id) MUST_CHECK;

/* The same, asked for by somebody else, on `c`: a connection that has it is
 * closed, and finds it gone when it comes back. */
int guests_drop(struct guest *guest, struct conn *c, uint64_t request_id)
	MUST_CHECK;

struct guest *guests_find(const struct guests *gs, uint32_t id);

/* memd stops: all of them. */
void guests_end(struct guests *gs);

/* Now and then: those that nobody came back for. */
void guests_expire(struct guests *gs);

/* About once a second. */
void guests_watch_rates(struct guests *gs, uint64_t elapsed_ns);

/* Pages of it that are not zero, wherever they are. */
uint64_t guest_page_count(const struct guest *guest);

#endif
