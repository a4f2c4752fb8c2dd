/* SPDX-License-Identifier: MIT */
/* The connection of a store_remote: what it is made of, and its states.
 *
 *	    name       connect      handshake    hello     store opened
 *	DOWN ─▶ LOOKING ─▶ CONNECTING ─▶ SECURING ─▶ GREETING ─▶ OPENING ─▶ UP
 *	 ▲ └────────────────▲  │            │           │        ▲  │ │     │
 *	 │                     │            │           │        └──┘ │     │
 *	 └──────────┴──────────┴────────────┴───────────┴─────────────┴─────┘
 *	                any error, or nothing heard for too long
 *
 * DOWN goes to DOWN where an address fails at once, and OPENING to OPENING
 * where the server has lost the store: a new one is asked for.
 *
 *   RL1  The stream is open from CONNECTING on, and only then.
 *   RL2  Every state but UP ends at deadline_ns.  DOWN tries again then, the
 *        others are given up.  UP is given up when requests are unanswered and
 *        nothing was heard for timeout_ns.
 *   RL3  Requests are unanswered only in UP.
 *   RL4  The owner is asked to fill, and is given messages, only in UP.  For
 *        each time that it was UP, went_down() is called once.
 *   RL5  epoch counts the stores that were opened new.  has_token: the last of
 *        them is the one to open again. */
#ifndef MEMD_SWAPSTORE_REMOTE_STATE_H
#define MEMD_SWAPSTORE_REMOTE_STATE_H

#include "proto/remote_address.h"
#include "swapstore/remote_stream.h"
#include <stdbool.h>

enum remote_state {
	REMOTE_DOWN, REMOTE_LOOKING, REMOTE_CONNECTING, REMOTE_SECURING,
	REMOTE_GREETING, REMOTE_OPENING, REMOTE_UP,
};

enum { REMOTE_TOKEN_BYTES = 16 };

/* What the link tells its owner.  None may call remote_link_run(). */
struct remote_link_ops {
	/* A message that came while it is UP, and its payload: as in struct
	 * remote_receiver. */
	struct remote_receiver receiver;
	/* Put messages in, while remote_link_has_room(). */
	void (*fill)(void *ctx);
	/* It was UP and is not: what was asked will not be answered. */
	void (*went_down)(void *ctx);
	/* The server does not have the store any more. */
	void (*was_lost)(void *ctx);
};

struct remote_link {
	const struct remote_link_ops *ops;
	void *ctx;
	enum remote_state state;		/* remote_state_enter() */
	struct remote_stream stream;
	struct remote_address address;
	const struct addrinfo *next_address;	/* NULL: the round is over */
	bool must_look_up;			/* before the next one begins */
	struct remote_lookup *lookup;		/* owned; NULL: none */
	char lookup_error[128];			/* of the last one */
	struct channel_context *tls;		/* borrowed */
	char command[WIRE_NAME_BYTES_MAX + 1];
	uint32_t slot_count;
	uint64_t timeout_ns;
	uint8_t token[REMOTE_TOKEN_BYTES];
	bool has_token;

	int epoll_fd, timer_fd, ready_fd;
	bool is_ready;			/* ready_fd is readable */
	uint32_t interest;		/* epoll's, in the socket */
	uint64_t armed_ns;		/* timer_fd; 0: not */
	uint64_t deadline_ns;		/* RL2; UP: 0 */
	uint64_t wake_ns;		/* the owner's; 0: none */
	uint64_t pause_ns;		/* before the next round */
	uint64_t jitter;

	uint32_t unanswered;		/* requests */
	uint64_t heard_ns;		/* last, or asked after silence */
	uint64_t heard_bytes;
	bool has_served;		/* since it is UP */
	bool is_leaving;		/* nothing more is asked */
	uint64_t down_since_ns, reconnects, epoch;
	int error;			/* why it went down last */
	char reason[CHANNEL_REASON_BYTES];
	void *arena;			/* owned; for unpacking */
};

/* Go on to the next state, which ends after patience_ns; UP does not. */
void remote_state_enter(struct remote_link *link, enum remote_state next,
			uint64_t patience_ns);

/* Has this state lasted too long? */
bool remote_state_is_overdue(const struct remote_link *link, uint64_t now_ns);

/* When it has, if nothing happens before; 0: never. */
uint64_t remote_state_end_ns(const struct remote_link *link);

/* Note why the connection is about to be given up.  Returns err. */
int remote_state_blame(struct remote_link *link, int err, const char *format,
		       ...) PRINTF_LIKE(3, 4);

/* ASSERT the invariants, between two calls of the owner. */
void remote_state_check(const struct remote_link *link);

#endif
