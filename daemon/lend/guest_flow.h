/* SPDX-License-Identifier: MIT */
/* Flow control (5 of guest.h): limits the payloads and replies that memd holds
 * for guests. */
#ifndef MEMD_LEND_GUEST_FLOW_H
#define MEMD_LEND_GUEST_FLOW_H

#include <stdbool.h>

struct guest;
struct guest_op;

enum {
	GUEST_OPS_MAX = 256,			/* unfinished requests of one
						 * guest */
	/* The most bytes of write payloads and of read replies of one guest;
	 * less if there are many guests. */
	GUEST_WRITE_BYTES = 8 * 1024 * 1024,
	GUEST_READ_BYTES = 4 * 1024 * 1024,
	/* What the output of a guest's connection may need in addition: these
	 * replies, one more, and an Error for each request. */
	GUEST_OUTPUT_BYTES = GUEST_READ_BYTES + 2 * 1024 * 1024 +
			     GUEST_OPS_MAX * 2048,
};

/* The guest has sent a request: hold its connection if that exceeds a limit. */
void guest_flow_hold(const struct guest *guest);

/* Release the connection if the guest is well below the limits.  This handles
 * messages, which may do anything to the guest.  Returns whether it was
 * released. */
bool guest_flow_release(const struct guest *guest);

/* A reply to a read is made only when there is room for it.
 * guest_flow_needs_room(): does `op` make a reply when it starts?
 * guest_flow_has_room(): is there room for that reply?  There is none while the
 * socket is full, because the reply would have to be copied. */
bool guest_flow_needs_room(const struct guest_op *op);
bool guest_flow_has_room(const struct guest_op *op);

#endif
