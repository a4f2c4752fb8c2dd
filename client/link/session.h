/* SPDX-License-Identifier: MIT */
/* The session with the daemon, on the library's thread: the link is connected,
 * breaks, and is connected again when it is time.  Knows the handshake and
 * nothing of what is asked for afterwards: whoever runs it is told that the
 * session has begun or has ended. */
#ifndef MEMD_CLIENT_LINK_SESSION_H
#define MEMD_CLIENT_LINK_SESSION_H

#include "client/link/link.h"
#include <stdatomic.h>

enum {
	SESSION_BACKOFF_FIRST_NS = 10000000,
	SESSION_BACKOFF_MOST_NS = 1000000000,
	SESSION_FDS = 3,
};

/* What a request id says about the reply that will carry it. */
enum request_kind {
	REQUEST_NONE,		/* not wanted */
	REQUEST_FAULT,		/* idx: region */
	REQUEST_COMMAND,	/* idx: command; no descriptor comes with it */
	REQUEST_ATTACH,		/* idx: command; with a descriptor */
	REQUEST_REJOIN,		/* idx: region; with a descriptor */
	REQUEST_MAILBOX,	/* with a descriptor */
};

struct session {
	const struct settings *settings;
	uint64_t capabilities;	/* ours */
	int fds[SESSION_FDS];	/* memd keeps copies: see session.c */

	uint64_t now_ns;	/* of this turn, written by the loop */
	bool is_up;		/* from the handshake to session_is_over() */
	uint64_t generation;	/* counts sessions */
	uint64_t up_ns;		/* since when it is up */
	uint64_t outage_ns;	/* since when it is down */
	uint64_t retry_ns;	/* connect again then */
	uint64_t backoff_ns;
	uint64_t hello_deadline_ns;
	uint64_t heard_ns;	/* the daemon last said something */
	uint64_t probed_ns;	/* it was last asked for a sign of life */
	uint64_t request_sequence;
	_Atomic uint64_t reconnect_count;
	struct link link;
};

/* `s` is all zeros. */
void session_init(struct session *s, const struct settings *settings);

/* The first connection.  Blocks for the handshake.  0: the session has begun;
 * or -errno, and link.text has the reason. */
int session_open(struct session *s) MUST_CHECK;

/* The next message of the session.  The handshake's are not given out, but
 * *ret_has_begun tells that it is done: look for the next one after that. */
bool session_next(struct session *s, struct link_message *ret_message,
		  bool *ret_has_begun);

/* Has the session ended just now?  Says so once. */
bool session_is_over(struct session *s);

/* Connect again, if it is time. */
void session_reconnect(struct session *s);

/* Somebody needs the daemon: do not wait for the next try. */
void session_try_now(struct session *s);

/* For so long nobody could do anything: an outage is that much younger. */
void session_postpone(struct session *s, uint64_t lost_ns);

/* When one of those must be called again, UINT64_MAX if never. */
uint64_t session_next_ns(const struct session *s);

uint64_t session_request_id(struct session *s, enum request_kind kind,
			    size_t idx);
enum request_kind session_request_kind(uint64_t request_id);
size_t session_request_idx(uint64_t request_id);

/* Undo what a SegmentReply said. */
void session_send_detach(struct session *s, uint32_t segment);

#endif
