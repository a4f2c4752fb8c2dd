/* SPDX-License-Identifier: MIT */
/* Flow control (5 of guest.h): how much of what guests ask for may lie here, as
 * payloads and as replies. */
#ifndef MEMD_LEND_GUEST_FLOW_H
#define MEMD_LEND_GUEST_FLOW_H

#include <stdbool.h>

struct guest;
struct guest_op;

enum {
	GUEST_OPS_MAX = 256,			/* unfinished, of one guest */
	/* Payloads kept for it, and replies made for it: at most, and less
	 * where there are many guests. */
	GUEST_WRITE_BYTES = 8 * 1024 * 1024,
	GUEST_READ_BYTES = 4 * 1024 * 1024,
	/* What its output may be longer than that of others: those replies
	 * and one more, and an Error for each request. */
	GUEST_OUTPUT_BYTES = GUEST_READ_BYTES + 2 * 1024 * 1024 +
			     GUEST_OPS_MAX * 2048,
};

/* It has asked for something: if that is too much, it is not heard until some
 * is done. */
void guest_flow_hold(const struct guest *guest);

/* Have it heard again, if it may be.  That may do anything to the guest.
 * Returns whether it was done. */
bool guest_flow_release(const struct guest *guest);

/* A reply is made only where the ones before it have gone: will this request,
 * once started, make one; and is there room for it?  There is none in a socket
 * that is full: what it did not take would have to be copied. */
bool guest_flow_needs_room(const struct guest_op *op);
bool guest_flow_has_room(const struct guest_op *op);

#endif
