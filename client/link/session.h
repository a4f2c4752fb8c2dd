/* SPDX-License-Identifier: MIT */
/* The session with the daemon.  The link is connected, breaks, and is connected
 * again when it is time.  The session does the handshake, and tells the
 * library's thread that a session has begun or ended.  It does not know what is
 * asked for in between.
 *
 * Threads: the library's thread. */
#ifndef MEMD_CLIENT_LINK_SESSION_H
#define MEMD_CLIENT_LINK_SESSION_H

#include "client/link/link.h"
#include <stdatomic.h>

enum {
	SESSION_BACKOFF_FIRST_NS = 10000000,
	SESSION_BACKOFF_MOST_NS = 1000000000,
	SESSION_FDS = 3,
};

/* The kind in a request id says what its reply is for. */
enum request_kind {
	REQUEST_NONE,		/* the reply is not needed */
	REQUEST_FAULT,		/* idx: region */
	REQUEST_COMMAND,	/* idx: command; the reply has no descriptor */
	REQUEST_ATTACH,		/* idx: command; the reply has a descriptor */
	REQUEST_REJOIN,		/* idx: region; the reply has a descriptor */
	REQUEST_MAILBOX,	/* the reply has a descriptor */
	REQUEST_DESK,		/* the same */
};

struct session {
	const struct settings *settings;
	uint64_t capabilities;	/* of this library */
	int fds[SESSION_FDS];	/* memd keeps copies (session.c) */

	uint64_t now_ns;	/* of this turn; the loop sets it */
	bool is_up;		/* from the handshake to session_is_over() */
	uint64_t generation;	/* number of this session */
	uint64_t up_ns;		/* when the session came up */
	uint64_t outage_ns;	/* when the session broke */
	uint64_t retry_ns;	/* when to connect again */
	uint64_t backoff_ns;
	uint64_t hello_deadline_ns;
	uint64_t heard_ns;	/* when the last message came */
	uint64_t probed_ns;	/* when wanted_probe() last sent a request */
	uint64_t request_sequence;
	_Atomic uint64_t reconnect_count;
	struct link link;
};

/* `s` must be all zeros. */
void session_init(struct session *s, const struct settings *settings);

/* Connect for the first time.  Blocks for the handshake, at most
 * settings.timeout_ns.  0: the session has begun; or -errno, and link.text has
 * the reason. */
int session_open(struct session *s) MUST_CHECK;

/* Returns the next message of the session; false: there is none.  Messages of
 * the handshake are not returned.  *ret_has_begun: the handshake is done; the
 * caller then calls again for the next message. */
bool session_next(struct session *s, struct link_message *ret_message,
		  bool *ret_has_begun);

/* True, once, when the session has ended. */
bool session_is_over(struct session *s);

/* Connect again, if it is time. */
void session_reconnect(struct session *s);

/* The daemon is needed now: do not wait for the next try. */
void session_try_now(struct session *s);

/* The process was stopped for lost_ns: all times of the session are later by
 * that. */
void session_postpone(struct session *s, uint64_t lost_ns);

/* When session_is_over() and session_reconnect() must be called again;
 * UINT64_MAX: never. */
uint64_t session_next_ns(const struct session *s);

uint64_t session_request_id(struct session *s, enum request_kind kind,
			    size_t idx);
enum request_kind session_request_kind(uint64_t request_id);
size_t session_request_idx(uint64_t request_id);

/* Detach a segment that a SegmentReply has named. */
void session_send_detach(struct session *s, uint32_t segment);

#endif
