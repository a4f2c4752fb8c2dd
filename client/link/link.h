/* SPDX-License-Identifier: MIT */
/* The session: one connection to the daemon, its handshake, its messages in
 * and out.  Never blocks, allocates nothing, does not know what messages mean
 * (but for the handshake's), and does not decide when to try again.
 *
 * Threads: the handler. */
#ifndef MEMD_CLIENT_LINK_LINK_H
#define MEMD_CLIENT_LINK_LINK_H

#include "client/link/errors.h"
#include "client/link/settings.h"
#include "proto/wire.h"
#include <stdbool.h>

enum {
	LINK_IN_BYTES = WIRE_HEADER_BYTES + WIRE_BODY_BYTES_MAX,
	LINK_OUT_BYTES = 256 * 1024,
	LINK_ARENA_BYTES = 256 * 1024,	/* Age with 1024 ranges, unpacked */
	LINK_TOKEN_BYTES = 16,
};

/* down ──connect──> hello ──HelloReply──> up
 *  ^                  │                    │
 *  └──────────────────┴─── any error ──────┘ */
enum link_state { LINK_DOWN, LINK_HELLO, LINK_UP };

struct link {
	enum link_state state;
	int fd;			/* -1 when down */
	uint64_t connect_count;	/* tells one fd from the next */
	int error;		/* why it is down, -errno */
	char text[ERRORS_TEXT_BYTES];	/* the same in words */

	/* From HelloReply. */
	uint64_t capabilities;
	uint32_t session;
	uint8_t token[LINK_TOKEN_BYTES];

	size_t in_used, in_taken;	/* bytes there; of them, given out */
	size_t out_used, out_sent;
	unsigned fd_count;		/* received, not yet taken */
	int fds[WIRE_FDS_MAX];
	uint8_t in[LINK_IN_BYTES];
	uint8_t out[LINK_OUT_BYTES];
	uint8_t arena[LINK_ARENA_BYTES] __attribute__((aligned(16)));
};

struct link_message {
	struct wire_header header;
	const uint8_t *body;	/* valid until the next link_next() */
};

void link_init(struct link *l);

/* Connect and queue Hello.  wait_ns: for room where too many connect at once;
 * 0: not at all.  0 (state hello), or -errno with a text (down). */
int link_connect(struct link *l, const struct settings *s,
		 uint64_t capabilities, uint64_t wait_ns) MUST_CHECK;

/* Go down, keeping the reason. */
void link_drop(struct link *l, int error, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* Queue a message.  Returns 0, -EAGAIN (no room now), -ENOTCONN. */
int link_send(struct link *l, uint16_t type, uint64_t request_id,
	      const ProtobufCMessage *message) MUST_CHECK;

/* The same with a body that is packed already. */
int link_send_packed(struct link *l, uint16_t type, uint64_t request_id,
		     const void *body, size_t body_bytes) MUST_CHECK;

/* Send a message without body at once, with descriptors (borrowed); nothing may
 * be queued.  0, or -errno with a text (the link is down). */
int link_send_fds(struct link *l, uint16_t type, const int *fds,
		  unsigned count) MUST_CHECK;

/* Write what can be written / read what is there.  On error the link goes
 * down. */
void link_flush(struct link *l);
void link_receive(struct link *l);

static inline bool link_has_output(const struct link *l)
{
	return l->out_sent < l->out_used;
}

/* The next whole message of what was received.  On garbage the link goes
 * down. */
bool link_next(struct link *l, struct link_message *ret_message);

/* Take the reply to Hello: the link is up, or down with a reason. */
void link_finish_hello(struct link *l, const struct link_message *message);

/* Unpack a message's body.  Valid until the next link_unpack().  NULL: it is
 * malformed, and the link goes down. */
ProtobufCMessage *link_unpack(struct link *l,
			      const struct link_message *message,
			      const ProtobufCMessageDescriptor *descriptor);

/* The oldest descriptor that was received; the caller owns it.  -1: none. */
int link_take_fd(struct link *l);

#endif
