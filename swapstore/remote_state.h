/* SPDX-License-Identifier: MIT */
/* The state of a link: the connection of a store_remote.
 *
 *	    name       connect      handshake    hello     store opened
 *	DOWN ─▶ LOOKING ─▶ CONNECTING ─▶ SECURING ─▶ GREETING ─▶ OPENING ─▶ UP
 *	 ▲ └────────────────▲  │            │           │        ▲  │ │     │
 *	 │                     │            │           │        └──┘ │     │
 *	 └──────────┴──────────┴────────────┴───────────┴─────────────┴─────┘
 *	                any error, or nothing heard for too long
 *
 * DOWN goes to DOWN if an address fails at once.  OPENING goes to OPENING if
 * the server has lost the store; a new one is asked for.
 *
 *   RL1  The stream is open in CONNECTING and all states behind it, and in no
 *        other.
 *   RL2  Every state except UP ends at deadline_ns.  Then DOWN tries again; in
 *        other states the connection is given up.  UP is given up when requests
 *        are unanswered and nothing was heard for timeout_ns.
 *   RL3  Requests are unanswered only in UP.
 *   RL4  Only in UP the owner is asked to fill, and gets messages.  went_down()
 *        is called once for each time that the link was UP.
 *   RL5  epoch counts the new stores that were opened.  has_token: the last of
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

/* Callbacks to the owner.  They must not call remote_link_run(). */
struct remote_link_ops {
	/* Messages in UP, and their payload: as in struct remote_receiver. */
	struct remote_receiver receiver;
	/* Put messages into the stream while remote_link_has_room(). */
	void (*fill)(void *ctx);
	/* The link was UP and is not: unanswered requests will not be
	 * answered. */
	void (*went_down)(void *ctx);
	/* The server does not have the store any more. */
	void (*was_lost)(void *ctx);
};

struct remote_link {
	const struct remote_link_ops *ops;
	void *ctx;
	/* Changed by remote_state_enter(). */
	enum remote_state state;
	struct remote_stream stream;
	struct remote_address address;
	/* NULL: all addresses were tried */
	const struct addrinfo *next_address;
	/* Before the next round of addresses. */
	bool must_look_up;
	struct remote_lookup *lookup;		/* owned; NULL: none */
	char lookup_error[128];			/* of the last lookup */
	struct channel_context *tls;		/* borrowed */
	char command[WIRE_NAME_BYTES_MAX + 1];
	uint32_t slot_count;
	uint64_t timeout_ns;
	uint8_t token[REMOTE_TOKEN_BYTES];
	bool has_token;

	int epoll_fd, timer_fd, ready_fd;
	bool is_ready;			/* ready_fd is readable */
	/* Events that epoll watches the socket for. */
	uint32_t interest;
	uint64_t armed_ns;		/* when timer_fd rings; 0: never */
	uint64_t deadline_ns;		/* RL2; 0 in UP */
	/* When the owner wants to run; 0: never. */
	uint64_t wake_ns;
	uint64_t pause_ns;		/* before the next round of addresses */
	uint64_t jitter;

	uint32_t unanswered;		/* requests without an answer */
	/* When something was last heard, or the first request after silence was
	 * sent. */
	uint64_t heard_ns;
	uint64_t heard_bytes;
	/* Has answered a request since it is UP. */
	bool has_served;
	bool is_leaving;		/* nothing more is asked */
	uint64_t down_since_ns, reconnects, epoch;
	int error;			/* why it went down last: -errno */
	char reason[CHANNEL_REASON_BYTES];
	void *arena;			/* owned; for unpacking */
};

/* Enter the next state, which ends after patience_ns; UP has no end. */
void remote_state_enter(struct remote_link *link, enum remote_state next,
			uint64_t patience_ns);

/* True if this state has lasted too long. */
bool remote_state_is_overdue(const struct remote_link *link, uint64_t now_ns);

/* When this state will have lasted too long; 0: never. */
uint64_t remote_state_end_ns(const struct remote_link *link);

/* Note why the connection will be given up.  Returns `err`. */
int remote_state_blame(struct remote_link *link, int err, const char *format,
		       ...) PRINTF_LIKE(3, 4);

/* ASSERT the invariants.  Call it between two calls of the owner. */
void remote_state_check(const struct remote_link *link);

#endif
