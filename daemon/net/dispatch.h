/* SPDX-License-Identifier: MIT */
/* From a message's type to whoever handles it: who may send what, when.  The
 * kinds of messages are told by the rooms that handle them. */
#ifndef MEMD_NET_DISPATCH_H
#define MEMD_NET_DISPATCH_H

#include "daemon/net/conn.h"
#include "proto/wire.h"

/* Answers request `id` of `c` now, or sees to it that it will be.  `message` is
 * valid until it returns.  c->session is NULL for Hello and Join only. */
typedef void message_handler(void *room, struct conn *c, uint64_t id,
			     const void *message);

/* Where a message may come: on connections in these states. */
enum {
	ON_NEW = BIT(CONN_NEW),
	ON_MAIN = BIT(CONN_MAIN),
	ON_LANE = BIT(CONN_LANE),
};

/* Segments and faults are for programs on this host, which share memory with
 * memd; guest stores are for those on others. */
enum message_from {
	FROM_HERE, FROM_ELSEWHERE, FROM_ANYWHERE,
	FROM_HERE_OR_ADMIN,	/* on another host */
};

struct message_kind {
	uint16_t type;
	const ProtobufCMessageDescriptor *descriptor;	/* NULL: no body */
	message_handler *handle;
	unsigned where;
	bool has_reply;		/* needs a request id */
	bool is_admin;
	enum message_from from;
	bool has_payload;
};

/* Have these handled, too, in `room`. */
void dispatch_add(struct conns *all, const struct message_kind *kinds,
		  size_t count, void *room);

/* Is a message of this type part of paging, and cheap?  It never stands in
 * line (line.h). */
bool dispatch_is_paging(uint16_t type);

/* Unpack the body of a message and have it handled.  May close `c`. */
void dispatch_message(struct conn *c, const struct wire_header *header,
		      const uint8_t *body);

#endif
