/* SPDX-License-Identifier: MIT */
/* The link: one connection to the daemon, its handshake, and its messages in
 * and out.  It never blocks, except in link_connect() with wait_ns, and
 * allocates nothing.  It knows the meaning of the handshake only, and does not
 * decide when to connect again.
 *
 * Threads: the library's thread. */
#ifndef MEMD_CLIENT_LINK_LINK_H
#define MEMD_CLIENT_LINK_LINK_H

#include "client/link/errors.h"
#include "client/link/settings.h"
#include "proto/wire.h"
#include <stdbool.h>

enum {
	LINK_IN_BYTES = WIRE_HEADER_BYTES + WIRE_BODY_BYTES_MAX,
	LINK_OUT_BYTES = 256 * 1024,
	/* Room for an Age with 1024 ranges, unpacked. */
	LINK_ARENA_BYTES = 256 * 1024,
};

/* down ──connect──> hello ──HelloReply──> up
 *  ^                  │                    │
 *  └──────────────────┴─── any error ──────┘ */
enum link_state { LINK_DOWN, LINK_HELLO, LINK_UP };

struct link {
	enum link_state state;
	int fd;			/* -1 if the link is down */
	uint64_t connect_count;	/* number of the connection: fd may be reused */
	int error;		/* why the link is down: -errno */
	char text[ERRORS_TEXT_BYTES];	/* the same as a text */

	uint64_t capabilities;	/* from HelloReply */

	size_t in_used, in_taken;	/* bytes received; of them, returned */
	size_t out_used, out_sent;
	/* Descriptors received, not yet taken. */
	unsigned fd_count;
	int fds[WIRE_FDS_MAX];
	uint8_t in[LINK_IN_BYTES];
	uint8_t out[LINK_OUT_BYTES];
	uint8_t arena[LINK_ARENA_BYTES] __attribute__((aligned(16)));
};

struct link_message {
	struct wire_header header;
	const uint8_t *body;	/* valid until the next link_receive() */
};

void link_init(struct link *l);

/* Connect, and queue Hello.  wait_ns: how long to wait for room in the
 * listener's queue; 0: do not wait.  Returns 0 (state hello), or -errno with a
 * text (state down). */
int link_connect(struct link *l, const struct settings *s,
		 uint64_t capabilities, uint64_t wait_ns) MUST_CHECK;

/* Close the connection and keep the reason. */
void link_drop(struct link *l, int error, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* Queue a message.  Returns 0, -EAGAIN (no room now), or -ENOTCONN. */
int link_send(struct link *l, uint16_t type, uint64_t request_id,
	      const ProtobufCMessage *message) MUST_CHECK;

/* As link_send(), with a body that is packed already. */
int link_send_packed(struct link *l, uint16_t type, uint64_t request_id,
		     const void *body, size_t body_bytes) MUST_CHECK;

/* Send a message without a body at once, with descriptors (borrowed).  Nothing
 * may be queued.  0, or -errno with a text (state down). */
int link_send_fds(struct link *l, uint16_t type, const int *fds,
		  unsigned count) MUST_CHECK;

/* Write what can be written; read what is there.  On error the link goes
 * down. */
void link_flush(struct link *l);
void link_receive(struct link *l);

static inline bool link_has_output(const struct link *l)
{
	return l->out_sent < l->out_used;
}

/* Returns the next whole message that was received; false: there is none.  If
 * the bytes are no message, the link goes down. */
bool link_next(struct link *l, struct link_message *ret_message);

/* Take the reply to Hello.  The link is up then, or down with a reason. */
void link_finish_hello(struct link *l, const struct link_message *message);

/* Unpack the body of a message.  It is valid until the next link_unpack().
 * NULL: the body is malformed, and the link goes down. */
ProtobufCMessage *link_unpack(struct link *l,
			      const struct link_message *message,
			      const ProtobufCMessageDescriptor *descriptor);

/* Take the oldest descriptor that was received; the caller owns it.  -1: there
 * is none. */
int link_take_fd(struct link *l);

#endif
