/* SPDX-License-Identifier: MIT */
/* The messages of other hosts that keep pages here.  One table says who may
 * send which message, and when.  Each handler is in handle_guest.c. */
#ifndef MEMD_LEND_GUEST_MESSAGES_H
#define MEMD_LEND_GUEST_MESSAGES_H

#include "daemon/net/dispatch.h"

struct guests;

message_handler handle_store_open, handle_store_read, handle_store_write,
	handle_store_discard, handle_store_close;

/* Register these handlers. */
void guest_messages_add(struct conns *all, struct guests *room);

#endif
