/* SPDX-License-Identifier: MIT */
/* A guest is another host whose pages are kept here.  Its pages are an array of
 * 4 KiB slots, in a private segment that nobody maps.  The pager treats them
 * like all other pages.  A request brings its pages in (pinned, unless all of
 * them are resident), and copies them to or from the buffers of the
 * connection.
 *
 *             StoreOpen                 connection broken
 *   (none) ───────────────▶ attached ◀─────────────────▶ kept
 *                               │    StoreOpen, token     │ guest_keep
 *                               └──▶ gone: StoreClose ◀───┘
 *                                    or GuestDrop
 *
 * 1. Requests (struct guest_op) stay in the order in which they came.  A
 *    request starts when no earlier unfinished request overlaps it: `blockers`
 *    counts these.  The list `ready` holds the requests with blockers == 0 that
 *    the pager is not working on.
 * 2. When the connection breaks, or another connection takes over the guest,
 *    all requests become orphans at once.  An orphan copies and answers
 *    nothing; it only unpins its pages.  Exception: a write that has discarded
 *    a lost page still writes it, or the page would read as zeros.  Until an
 *    orphan ends, requests that overlap it wait.
 * 3. pinned_pages is the sum of the chunks that are pinned or may be pinned
 *    soon.  It is at most an eighth of the pool.  These pins have their own
 *    limit, apart from the pins of programs on this host
 *    (pager_segment_reserve()).
 * 4. If a request gets no pins although there is room for them, because its
 *    user is at a limit or memory is short, it waits up to PATIENCE_NS
 *    (guest_step.c).  The other requests of the guest wait with it; other
 *    guests do not.  After that the request gets an error, and the guest asks
 *    again.
 * 5. All that a guest can use up is limited.  Over the limits of guest_flow.h,
 *    its connection is not read (conn_hold), and a read starts only when there
 *    is room for its reply. */
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
	GUEST_SLOTS_MAX = 512,			/* in one request */
};

/* ---- requests */

enum guest_op_kind { GUEST_OP_READ, GUEST_OP_WRITE, GUEST_OP_DISCARD };

/* What the pager is asked for now, or was asked for last. */
enum guest_op_step {
	GUEST_STEP_PIN,
	GUEST_STEP_CLEAR,	/* discard lost pages before writing */
	GUEST_STEP_UNPIN,
	GUEST_STEP_DISCARD,
};

struct guest_range {
	uint64_t first, count;
};

struct guest_op {
	struct guests *guests;
	struct guest *guest;		/* NULL: the guest is gone */
	enum guest_op_kind kind;
	enum guest_op_step step;
	bool is_asked;			/* the pager works on it, or has
					 * answered */
	bool is_orphan;
	bool was_cleared;		/* the chunk's old bytes are gone, so it
					 * must be written even for an orphan */
	bool is_reading;		/* counted in guest.reading_bytes */
	uint64_t request_id;
	int result;			/* the pager's last answer */
	uint64_t first, count;		/* slots; of a discard: from its first
					 * to its last */
	uint64_t done, chunk;		/* slots: copied; in progress */
	uint64_t chunk_max;
	uint8_t *bytes;			/* owned.  To be written, or read so
					 * far; NULL: not needed */
	struct guest_range *range;	/* owned; DISCARD */
	uint32_t range_count, range_idx;
	uint32_t blockers;
	uint64_t waiting_since_ns;	/* for pins; 0: does not wait */
	TAILQ_ENTRY(guest_op) link;	/* of the guest, in order */
	TAILQ_ENTRY(guest_op) work_link;	/* of guest.ready or
						 * guests.answered */
};

TAILQ_HEAD(guest_op_list, guest_op);

static inline uint64_t guest_op_bytes(const struct guest_op *op)
{
	return op->count * PAGER_UNIT_BYTES;
}

/* ---- guests */

struct guest {
	struct guests *guests;
	uint32_t id;			/* shown to administrators */
	struct segment *segment;	/* counted as attached */
	struct account *account;	/* held */
	struct session *session;	/* NULL: disconnected, kept for its
					 * return */
	uint8_t token[GUEST_TOKEN_BYTES];
	char host[PEER_HOST_BYTES], network[PEER_HOST_BYTES];
	char name[PEER_NAME_BYTES];	/* in its certificate */
	char printable_name[PEER_NAME_BYTES];
	uid_t uid;
	uint32_t slot_count;
	uint64_t idle_since_ns;		/* when it disconnected; 0: connected */
	uint64_t read_bytes, written_bytes;
	uint64_t last_read_bytes, last_written_bytes;	/* for the rates */
	double read_bytes_per_s, written_bytes_per_s;
	struct guest_op *receiving;	/* a write whose payload is being
					 * received */
	struct guest_op_list ops, ready;
	uint32_t op_count;
	uint64_t held_bytes;		/* of write payloads and discard
					 * ranges */
	uint64_t reading_bytes;		/* of replies to reads that have
					 * started */
	bool is_due;			/* on the list guests.due */
	bool is_starved;		/* on the list guests.starved */
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
	struct map_waits *map_waits;
	struct deferred *deferred;

	struct deferred_work work;	/* goes on when one turn was not
					 * enough */
	bool is_initialized;		/* guests_init() has been called */
	struct guest_list all;
	struct guest_list due;		/* guests that may have something to
					 * start */
	struct guest_list starved;	/* guests that wait RETRY_MS for pins */
	struct guest_op_list answered;	/* requests that the pager has
					 * answered */
	TAILQ_HEAD(, guest_room_wait) waiting;	/* closed stores whose room is
						 * not free yet */
	uint32_t count;
	uint32_t last_id;
	uint32_t asked_count;		/* requests that the pager works on */
	uint64_t pinned_pages, pinned_max;
	bool is_full;			/* no more can be pinned: wait until a
					 * request ends */
	bool has_retry;			/* `retry` is assigned */
	struct event retry;		/* makes starved guests due */
};

#endif
