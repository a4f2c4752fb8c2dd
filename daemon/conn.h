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
 *    never more than output_max, or the connection is closed. */
#ifndef MEMD_DAEMON_CONN_H
#define MEMD_DAEMON_CONN_H

#include "common/checks.h"
#include "daemon/output.h"
#include "daemon/peer.h"
#include "proto/wire.h"
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>

struct daemon;
struct session;
struct pending_entry;

enum conn_state { CONN_NEW, CONN_MAIN, CONN_LANE, CONN_DEAD, CONN_STATES };

struct conn {
	struct daemon *daemon;
	enum conn_state state;
	int fd;
	struct peer peer;
	struct session *session;	/* MAIN, LANE */
	struct event readable, writable;
	uint8_t *in;			/* in_used of in_size bytes */
	size_t in_used, in_size;
	uint64_t in_skip;		/* payload bytes still to be dropped */
	uint64_t since_ns;		/* NEW: of the connection; else of the
					 * message that is not whole yet, 0 when
					 * there is none */
	struct output out;
	bool is_dirty;			/* on the server's dirty list */
	char reason[128];		/* DEAD: why */
	LIST_HEAD(, pending_entry) pending;
	TAILQ_ENTRY(conn) link;		/* of its state's list */
	TAILQ_ENTRY(conn) dirty_link;
	LIST_ENTRY(conn) lane_link;	/* LANE: of its session */
};

TAILQ_HEAD(conn_list, conn);

/* Take `fd`, a connected socket; closed on failure too.  Starts reading. */
int conn_create(struct daemon *d, int fd) MUST_CHECK;

/* Move on from NEW. */
void conn_enter(struct conn *c, enum conn_state next);

/* Queue a message.  Never fails towards the caller: a connection that cannot
 * take it is closed. */
void conn_send(struct conn *c, uint16_t type, uint64_t request_id,
	       const ProtobufCMessage *message);

/* The same with a descriptor, which is duplicated. */
void conn_send_fd(struct conn *c, uint16_t type, uint64_t request_id,
		  const ProtobufCMessage *message, int fd);

void conn_send_ok(struct conn *c, uint64_t request_id);

/* `error` is -errno. */
void conn_send_error(struct conn *c, uint64_t request_id, int error,
		     const char *format, ...) PRINTF_LIKE(4, 5);

/* Say so to the client and close: it broke the protocol. */
void conn_refuse(struct conn *c, uint64_t request_id, int error,
		 const char *format, ...) PRINTF_LIKE(4, 5);

void conn_close(struct conn *c, const char *format, ...) PRINTF_LIKE(2, 3);

/* Bytes queued and not taken by the socket yet. */
size_t conn_backlog(const struct conn *c);

/* Whether extra messages that nobody waits for should not be queued now. */
bool conn_is_clogged(const struct conn *c);

/* Send what is queued, as far as the socket takes it. */
void conn_flush(struct conn *c);

/* Close and free; DEAD only, in the turn only. */
void conn_destroy(struct conn *c);

#endif
