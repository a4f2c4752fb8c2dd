/* SPDX-License-Identifier: MIT */
/* One connection: bytes in, messages out to dispatch; messages in, bytes out.
 *
 *          Hello            close
 *   NEW ──────────▶ MAIN ──────────▶ DEAD
 *    │     Join                       ▲
 *    ├────────────▶ LANE ─────────────┤
 *    └────────────────────────────────┘
 *
 * 1. Each connection is on the list of its state, and each list counts.
 * 2. conn_close() is the only way to DEAD.  It takes a reason for people, may
 *    be called from anywhere, also from inside the pager, and only marks: the
 *    turn does the rest and frees.
 * 3. A DEAD connection reads and sends nothing.
 * 4. Input never holds more than one message and what came with it; output
 *    never more than output_max, or the connection is closed.
 *
 * A connection of another host has a channel, on which all its bytes go.  Its
 * TLS handshake is part of NEW; who it is, is looked at when it says Hello.  A
 * payload goes straight to where the message's handler wants it, once that has
 * seen the message; who does not ask for it has it dropped. */
#ifndef MEMD_NET_CONN_H
#define MEMD_NET_CONN_H

#include "common/checks.h"
#include "daemon/config/config.h"
#include "daemon/net/addresses.h"
#include "daemon/net/output.h"
#include "daemon/net/peer.h"
#include "daemon/stats/stats.h"
#include "proto/channel.h"
#include "proto/wire.h"
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>
#include <sys/socket.h>

struct conn;
struct message_kind;
struct pending_entry;
struct session;

enum {
	CONN_DESCRIPTORS_MAX = 3,	/* that may come with a message */
	/* Of pages for another host, besides replies: what lend/ has under way
	 * for one of them. */
	CONN_PAYLOADS_BYTES = 8 * 1024 * 1024,
};

/* The payload that was asked for is whole. */
typedef void conn_payload_done(struct conn *c);

enum conn_state { CONN_NEW, CONN_MAIN, CONN_LANE, CONN_DEAD, CONN_STATES };

TAILQ_HEAD(conn_list, conn);

/* More than the largest legal message unpacks to: Touched with 1024 ranges. */
enum { UNPACK_BYTES = 256 * 1024 };

/* libevent looks at a lower class only when none above it is ready.  So what
 * must not starve under a flood of faults (the tick with its watchdog message,
 * signals, new connections, administration) is in the same class as they. */
enum {
	PRIORITY_PAGING = 0,
	PRIORITY_ADMIN = 0,
	PRIORITY_BACKGROUND = 1,
	PRIORITIES = 2
};

/* What connections want of whoever has them. */
struct conns_ops {
	/* A callback of the loop ends: what it has produced may go out. */
	void (*settle)(void *ctx);
	/* There are DEAD connections: see conns_bury() in server.h. */
	void (*ask_for_turn)(void *ctx);
	/* Let go of `c`, which is DEAD.  Takes from *budget what that costs;
	 * false: not wholly, call again in another turn. */
	bool (*let_go)(void *ctx, struct conn *c, unsigned *budget);
	/* All that was to be sent to another host has been. */
	void (*drained)(void *ctx, struct conn *c);
	/* Descriptors that are in use, besides those of connections. */
	uint64_t (*descriptors)(const void *ctx);
};

enum { MESSAGE_TYPES_MAX = 64 };

/* All connections: each is on the list of its state, and some on others. */
struct conns {
	const struct config *config;
	struct stats *stats;
	struct event_base *base;
	const struct conns_ops *ops;
	void *ctx;			/* of the ops */
	struct conn_list list[CONN_STATES];
	uint32_t count[CONN_STATES];
	struct conn_list dirty;		/* with output to be sent */
	struct conn_list repeating;	/* whose Hello waits for a look-up */
	struct event repeat;
	struct addresses addresses;	/* of those that are not DEAD */
	struct conn_list in_line;	/* see line.h; not DEAD, held */
	struct event line_turn;		/* pending: this turn is not over */
	uint64_t line_until_ns;		/* messages may begin; 0: none has */
	uint32_t remote_newcomers;	/* in NEW */
	uint32_t refusals_unsaid;	/* since the last line in the log */
	uint64_t refusal_said_ns;
	struct {
		const struct message_kind *kind;
		void *room;		/* of who handles it */
	} handler[MESSAGE_TYPES_MAX];	/* by type; see dispatch.h */
	uint8_t unpack[UNPACK_BYTES];	/* for one message at a time */
};

struct conn {
	struct conns *all;
	enum conn_state state;
	int fd;
	struct channel *channel;	/* owned; of another host; else NULL */
	struct peer peer;
	struct session *session;	/* MAIN, LANE */
	bool is_admin;			/* may ask what memctl asks */
	struct event readable, writable;
	uint8_t *in;			/* in_used of in_size bytes */
	size_t in_used, in_size;
	uint64_t in_skip;		/* payload bytes still to be dropped */
	uint8_t *payload;		/* where the rest of a payload goes */
	size_t payload_left;
	conn_payload_done *payload_done;
	bool is_held;			/* nothing is read for now */
	bool must_repeat;		/* NEW: its message is taken again, */
	bool is_repeating;		/* and it is on the server's list */
	bool is_in_line;		/* it waits for its turn: line.h */
	bool is_paging;			/* its last message was; */
	bool was_dear;			/* but no cheap one: line.h */
	uint32_t work;			/* of this piece: conn_note_work() */
	bool takes_descriptors;		/* Userfaultfd may still come */
	int descriptor[CONN_DESCRIPTORS_MAX];	/* came, not taken yet */
	unsigned descriptor_count;
	bool has_lost_descriptors;	/* not all could be taken */
	uint64_t since_ns;		/* NEW: of the connection; else of the
					 * message that is not whole yet, 0 when
					 * there is none */
	struct output out;
	bool is_dirty;			/* on the server's dirty list */
	bool is_full;			/* its socket or channel took no more */
	bool is_deaf;			/* nobody reads its replies, which are
					 * dropped: what it said before is
					 * still to be read */
	char reason[128];		/* DEAD: why */
	LIST_HEAD(, pending_entry) pending;
	TAILQ_ENTRY(conn) link;		/* of its state's list */
	TAILQ_ENTRY(conn) dirty_link;
	TAILQ_ENTRY(conn) repeat_link;
	TAILQ_ENTRY(conn) line_link;
	LIST_ENTRY(conn) lane_link;	/* LANE: of its session */
};

/* A message of paging has cost so many faults' worth.  A client can send a
 * thousand of them in one piece: once it has had CONN_WORK_MAX, what it says
 * next stands in line. */
enum { CONN_WORK_MAX = 64 };

static inline void conn_note_work(struct conn *c, uint32_t faults)
{
	c->work += MIN(faults, UINT32_C(2) * CONN_WORK_MAX);
	c->was_dear |= c->work > CONN_WORK_MAX;
}

void conns_init(struct conns *all);

/* Move on from NEW. */
void conn_enter(struct conn *c, enum conn_state next);

/* The handshake of TLS is not over: nothing can be sent yet. */
bool conn_is_shaking_hands(const struct conn *c);

void conn_close(struct conn *c, const char *format, ...) PRINTF_LIKE(2, 3);

/* Close and free; DEAD only, in the turn only. */
void conn_destroy(struct conn *c);

/* Bytes queued and not taken by the socket yet. */
size_t conn_backlog(const struct conn *c);

#endif
