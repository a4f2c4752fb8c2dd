/* SPDX-License-Identifier: MIT */
/* Finds the handler of a message by its type, and checks which connection may
 * send which message when.  The rooms that handle messages register them
 * here. */
#ifndef MEMD_NET_DISPATCH_H
#define MEMD_NET_DISPATCH_H

#include "daemon/net/conn.h"
#include "proto/wire.h"

/* Answers request `id` of `c`, now or later.  `room` is what was registered.
 * `message` is valid until the handler returns.  c->session is NULL only for
 * Hello. */
typedef void message_handler(void *room, struct conn *c, uint64_t id,
			     const void *message);

/* The states of connections on which a message may come. */
enum {
	ON_NEW = BIT(CONN_NEW),
	ON_MAIN = BIT(CONN_MAIN),
};

/* Which peers may send a message.  Segments and faults are for programs on this
 * host, which share memory with memd.  Guest stores are for other hosts. */
enum message_from {
	FROM_HERE, FROM_ELSEWHERE, FROM_ANYWHERE,
	FROM_HERE_OR_ADMIN,	/* on another host: only an administrator */
};

struct message_kind {
	uint16_t type;
	const ProtobufCMessageDescriptor *descriptor;	/* NULL: no body */
	message_handler *handle;
	unsigned where;
	bool has_reply;		/* the request needs an id */
	bool is_admin;			/* only for administrators */
	enum message_from from;
	bool has_payload;
};

/* Register handlers.  `kinds` is borrowed for good; `room` is passed to the
 * handlers.  An earlier handler of the same type is replaced. */
void dispatch_add(struct conns *all, const struct message_kind *kinds,
		  size_t count, void *room);

/* Whether messages of this type are part of paging and cheap.  Such a message
 * does not wait in line (line.h). */
bool dispatch_is_paging(uint16_t type);

/* Check a message, unpack its body, and call its handler.  May close `c`. */
void dispatch_message(struct conn *c, const struct wire_header *header,
		      const uint8_t *body);

#endif
