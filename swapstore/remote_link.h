/* SPDX-License-Identifier: MIT */
/* The connection of a store_remote: makes it, opens the store on it, notices
 * when it is dead, and makes it again, for ever.
 *
 *	    name       connect      handshake    hello     store opened
 *	DOWN ─▶ LOOKING ─▶ CONNECTING ─▶ SECURING ─▶ GREETING ─▶ OPENING ─▶ UP
 *	 ▲ └────────────────▲  │            │           │           │       │
 *	 └──────────┴──────────┴────────────┴───────────┴───────────┴───────┘
 *	                any error, or nothing heard for too long
 *
 * What is asked and answered while it is UP is the owner's business.  Its name
 * and addresses are remote_connect.c's, what it waits for remote_wait.c's. */
#ifndef MEMD_SWAPSTORE_REMOTE_LINK_H
#define MEMD_SWAPSTORE_REMOTE_LINK_H

#include "proto/remote_address.h"
#include "swapstore/remote_stream.h"
#include <stdbool.h>

enum link_state {
	LINK_DOWN, LINK_LOOKING, LINK_CONNECTING, LINK_SECURING, LINK_GREETING,
	LINK_OPENING, LINK_UP,
};

enum { LINK_TOKEN_BYTES = 16 };

/* What the link tells its owner.  None may call remote_link_run(). */
struct remote_link_ops {
	/* A frame that came while it is UP, and its payload: as in struct
	 * remote_receiver. */
	struct remote_receiver receiver;
	/* Put frames in, while remote_link_has_room(). */
	void (*fill)(void *ctx);
	/* It was UP and is not: what was asked will not be answered. */
	void (*went_down)(void *ctx);
	/* The server does not have the store any more. */
	void (*was_lost)(void *ctx);
};

struct remote_link {
	const struct remote_link_ops *ops;
	void *ctx;
	enum link_state state;
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
	uint8_t token[LINK_TOKEN_BYTES];
	bool has_token;

	int epoll_fd, timer_fd, ready_fd;
	bool is_ready;			/* ready_fd is readable */
	uint32_t interest;		/* epoll's, in the socket */
	uint64_t armed_ns;		/* timer_fd; 0: not */
	uint64_t deadline_ns;		/* of this state: DOWN: try again */
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

struct remote_link_options {
	struct channel_context *tls;	/* borrowed */
	const char *command;
	uint32_t slot_count;
	uint64_t timeout_ns;
};

/* `address` is taken, on failure too.  Returns 0, -ENOMEM, or -errno of
 * epoll_create(2) and its like.  Does not connect. */
int remote_link_init(struct remote_link *link,
		     const struct remote_link_options *options,
		     struct remote_address *address,
		     const struct remote_link_ops *ops, void *ctx) MUST_CHECK;
void remote_link_fini(struct remote_link *link);

/* Look the name up and try all addresses once, waiting.  Returns 0, or -errno
 * with link->reason. */
int remote_link_connect(struct remote_link *link) MUST_CHECK;

/* Do all that can be done now. */
void remote_link_run(struct remote_link *link);

/* From now on connect with these (borrowed), at once if it waits to be tried
 * again.  A connection that is up ends if its server would be refused now. */
void remote_link_renew(struct remote_link *link, struct channel_context *tls);

/* Put frames in and send; part of remote_link_run(). */
void remote_link_transmit(struct remote_link *link);

/* Say goodbye, so that the server does not keep the store, and wait for its
 * answer, a second at most. */
void remote_link_say_goodbye(struct remote_link *link);

/* True while another frame may be put into link->stream. */
bool remote_link_has_room(const struct remote_link *link);

/* A request went out, one was answered: somebody must be there while any is
 * not. */
void remote_link_asked(struct remote_link *link);
void remote_link_answered(struct remote_link *link);

/* An Error: its code (a positive errno), and its text in ret_text.  Returns 0
 * or -EPROTO. */
int remote_link_read_error(struct remote_link *link,
			   const struct wire_header *h, const uint8_t *body,
			   int *ret_code, char *ret_text, size_t text_size)
	MUST_CHECK;

/* Go on to the next state, for so long at most; 0: for ever. */
void remote_link_enter(struct remote_link *link, enum link_state next,
		       uint64_t patience_ns);

/* Note why the connection is about to be given up.  Returns err. */
int remote_link_blame(struct remote_link *link, int err, const char *format,
		      ...) PRINTF_LIKE(3, 4);

#endif
