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
#include "daemon/net/output.h"
#include "daemon/net/peer.h"
#include "proto/wire.h"
#include "proto/channel.h"
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>
#include <sys/socket.h>

struct daemon;
struct session;
struct pending_entry;

struct conn;

enum { CONN_DESCRIPTORS_MAX = 3 };	/* that may come with a message */

/* The payload that was asked for is whole. */
typedef void conn_payload_done(struct conn *c);

enum conn_state { CONN_NEW, CONN_MAIN, CONN_LANE, CONN_DEAD, CONN_STATES };

struct conn {
	struct daemon *daemon;
	enum conn_state state;
	int fd;
	struct channel *channel;	/* owned; of another host; else NULL */
	struct peer peer;
	struct session *session;	/* MAIN, LANE */
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
	bool is_paging;			/* its last message was */
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
	bool is_busy_polled;		/* on busy_poll.h's list, */
	uint64_t read_ns;		/* and when it last read */
	char reason[128];		/* DEAD: why */
	LIST_HEAD(, pending_entry) pending;
	TAILQ_ENTRY(conn) link;		/* of its state's list */
	TAILQ_ENTRY(conn) dirty_link;
	TAILQ_ENTRY(conn) repeat_link;
	TAILQ_ENTRY(conn) line_link;
	LIST_ENTRY(conn) lane_link;	/* LANE: of its session */
	TAILQ_ENTRY(conn) busy_poll_link;
};

TAILQ_HEAD(conn_list, conn);

/* Take `fd`, a connected socket; closed on failure too.  Starts reading. */
int conn_create(struct daemon *d, int fd) MUST_CHECK;

/* The same for one that came by TCP, from `address`; `context` NULL: without
 * TLS. */
int conn_create_remote(struct daemon *d, int fd,
		       struct channel_context *context,
		       const struct peer *peer) MUST_CHECK;

/* Move on from NEW. */
void conn_enter(struct conn *c, enum conn_state next);

/* The handshake of TLS is not over: nothing can be sent yet. */
bool conn_is_shaking_hands(const struct conn *c);

void conn_close(struct conn *c, const char *format, ...) PRINTF_LIKE(2, 3);

/* Close and free; DEAD only, in the turn only. */
void conn_destroy(struct conn *c);

/* ---- conn_output.c; what is received is conn_input.h's */

/* Queue a message.  Never fails towards the caller: a connection that cannot
 * take it is closed. */
void conn_send(struct conn *c, uint16_t type, uint64_t request_id,
	       const ProtobufCMessage *message);

/* The same with a descriptor, which is duplicated. */
void conn_send_fd(struct conn *c, uint16_t type, uint64_t request_id,
		  const ProtobufCMessage *message, int fd);

void conn_send_ok(struct conn *c, uint64_t request_id);

/* The same for a message without body and with a payload, of which nothing is
 * needed after the return.  Not from inside pager calls. */
void conn_send_payload(struct conn *c, uint16_t type, uint64_t request_id,
		       const void *payload, uint32_t payload_bytes);

/* `error` is -errno. */
void conn_send_error(struct conn *c, uint64_t request_id, int error,
		     const char *format, ...) PRINTF_LIKE(4, 5);

/* Say so to the client and close: it broke the protocol. */
void conn_refuse(struct conn *c, uint64_t request_id, int error,
		 const char *format, ...) PRINTF_LIKE(4, 5);

/* Bytes queued and not taken by the socket yet. */
size_t conn_backlog(const struct conn *c);

/* Whether extra messages that nobody waits for should not be queued now. */
bool conn_is_clogged(const struct conn *c);

/* There is something to be sent, in this turn. */
void conn_mark_dirty(struct conn *c);

/* Send what is queued, as far as the socket takes it. */
void conn_flush(struct conn *c);

#endif
