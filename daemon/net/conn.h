/* SPDX-License-Identifier: MIT */
/* A connection.  It turns received bytes into messages for dispatch, and
 * messages to send into bytes.
 *
 *          Hello            close
 *   NEW ──────────▶ MAIN ──────────▶ DEAD
 *    │                                ▲
 *    └────────────────────────────────┘
 *
 * 1. Each connection is on the list of its state, and each list has a count.
 * 2. Only conn_close() makes a connection DEAD.  It takes a reason for the log,
 *    and may be called from anywhere, also from inside the pager.  It only
 *    marks the connection; the turn of the loop does the rest and frees it.
 * 3. A DEAD connection reads and sends nothing.
 * 4. The input buffer holds at most one whole message and the bytes that were
 *    received with it.  The output buffer holds at most output_max() bytes; if
 *    it would hold more, the connection is closed.
 *
 * A connection from another host has a channel, through which all its bytes go.
 * The TLS handshake happens in state NEW.  The peer is identified when it sends
 * Hello.
 *
 * A payload is received directly into memory that the message's handler names
 * with conn_take_payload().  If the handler names none, the payload is
 * dropped. */
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
struct client_fault;
struct session;

enum {
	CONN_DESCRIPTORS_MAX = 3,	/* at most this many in a message */
	/* Output for pages that another host reads, in addition to
	 * session_output: lend/ has at most this much under way for one
	 * host. */
	CONN_PAYLOADS_BYTES = 8 * 1024 * 1024,
};

/* Called when the whole payload has been received. */
typedef void conn_payload_done(struct conn *c);

enum conn_state { CONN_NEW, CONN_MAIN, CONN_DEAD, CONN_STATES };

TAILQ_HEAD(conn_list, conn);

/* The largest legal message needs less when unpacked: Touched with 1024
 * ranges. */
enum { UNPACK_BYTES = 256 * 1024 };

/* libevent handles a lower class only when no event of a higher class is ready.
 * A flood of faults must not starve the tick with its watchdog message,
 * signals, new connections and administration.  So these are in the same class
 * as paging. */
enum {
	PRIORITY_PAGING = 0,
	PRIORITY_ADMIN = 0,
	PRIORITY_BACKGROUND = 1,
	PRIORITIES = 2
};

/* What connections need from the daemon. */
struct conns_ops {
	/* A callback of the event loop ends.  Send what it has queued. */
	void (*settle)(void *ctx);
	/* There are DEAD connections.  Call server_bury() in a turn of the
	 * loop. */
	void (*ask_for_turn)(void *ctx);
	/* Release what belongs to `c`, which is DEAD.  The cost is subtracted
	 * from *budget. false: not finished; call again in a later turn. */
	bool (*let_go)(void *ctx, struct conn *c, unsigned *budget);
	/* All output to another host has been handed to its socket, or as much
	 * as the socket takes. */
	void (*drained)(void *ctx, struct conn *c);
	/* How many descriptors are open, connections not counted. */
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
	struct conn_list dirty;		/* connections with output to send */
	struct conn_list repeating;	/* connections whose Hello waits until a
					 * user name is looked up */
	struct event repeat;		/* retries the Hellos of `repeating` */
	struct addresses addresses;	/* of connections that are not DEAD */
	struct conn_list in_line;	/* line.h; held, not DEAD */
	struct event line_turn;		/* pending: the current turn of line.h
					 * is not over */
	uint64_t line_until_ns;		/* end of the time for messages in this
					 * turn of line.h; 0: no turn has
					 * begun */
	uint32_t remote_newcomers;	/* connections of other hosts in NEW */
	uint32_t refusals_unsaid;	/* since the last line in the log */
	uint64_t refusal_said_ns;	/* when the last line was logged */
	struct {
		const struct message_kind *kind;
		void *room;		/* first argument of its handlers */
	} handler[MESSAGE_TYPES_MAX];	/* by type; see dispatch.h */
	uint8_t unpack[UNPACK_BYTES];	/* for one message at a time */
};

struct conn {
	struct conns *all;
	enum conn_state state;
	int fd;
	struct channel *channel;	/* owned; NULL: a program on this
					 * host */
	struct peer peer;
	struct session *session;	/* MAIN */
	bool is_admin;			/* may send what memctl sends */
	struct event readable, writable;
	uint8_t *in;			/* in_used of in_size bytes */
	size_t in_used, in_size;
	uint64_t in_skip;		/* payload bytes still to be dropped */
	uint8_t *payload;		/* where the rest of the payload goes */
	size_t payload_left;
	conn_payload_done *payload_done;
	bool is_held;			/* nothing is read until
					 * conn_release() */
	bool must_repeat;		/* NEW: handle its message again
					 * later */
	bool is_repeating;		/* NEW: on the list conns.repeating */
	bool is_in_line;		/* on the list conns.in_line */
	bool is_paging;			/* its last message was part of
					 * paging */
	bool was_dear;			/* the paging messages of this read were
					 * expensive: line.h */
	uint32_t work;			/* cost of the messages of this read:
					 * conn_note_work() */
	bool takes_descriptors;		/* Userfaultfd may still be sent */
	int descriptor[CONN_DESCRIPTORS_MAX];	/* received, not taken by a
						 * handler yet */
	unsigned descriptor_count;
	bool has_lost_descriptors;	/* the kernel could not pass all of
					 * them */
	uint64_t since_ns;		/* NEW: when the connection was made.
					 * Else when its incomplete message made
					 * progress; 0: no incomplete message */
	struct output out;
	bool is_dirty;			/* on the list conns.dirty */
	bool is_full;			/* the socket or channel takes no
					 * more */
	bool is_deaf;			/* the peer no longer reads, so replies
					 * are dropped; messages that it sent
					 * before are still handled */
	char reason[128];		/* DEAD: why it was closed */
	LIST_HEAD(, pending_entry) pending;
	LIST_HEAD(, client_fault) faults;
	TAILQ_ENTRY(conn) link;		/* of its state's list */
	TAILQ_ENTRY(conn) dirty_link;
	TAILQ_ENTRY(conn) repeat_link;
	TAILQ_ENTRY(conn) line_link;
};

/* Note that a paging message has cost as much work as `faults` faults.  A
 * client can send a thousand messages in one piece.  When the messages of one
 * piece have cost more than CONN_WORK_MAX, the next message waits in line
 * (line.h). */
enum { CONN_WORK_MAX = 64 };

static inline void conn_note_work(struct conn *c, uint32_t faults)
{
	c->work += MIN(faults, UINT32_C(2) * CONN_WORK_MAX);
	c->was_dear |= c->work > CONN_WORK_MAX;
}

void conns_init(struct conns *all);

/* Change the state.  Only NEW may change to MAIN.  DEAD is for conn_close(). */
void conn_enter(struct conn *c, enum conn_state next);

/* Whether the TLS handshake is not over yet.  Nothing can be sent until
 * then. */
bool conn_is_shaking_hands(const struct conn *c);

/* Make `c` DEAD and ask for a turn, which frees it.  The format gives the
 * reason for the log.  Does nothing if `c` is DEAD already.  May be called
 * from inside pager callbacks. */
void conn_close(struct conn *c, const char *format, ...) PRINTF_LIKE(2, 3);

/* Close the socket and free `c`, which is DEAD.  Call only from the turn. */
void conn_destroy(struct conn *c);

/* Bytes that are queued and that the socket has not taken yet. */
size_t conn_backlog(const struct conn *c);

#endif
