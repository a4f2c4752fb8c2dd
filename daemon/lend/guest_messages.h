/* SPDX-License-Identifier: MIT */
/* The messages of other hosts that keep pages here.  Who may send
 * which, and when, is one table; each handler is in the handle_ or other file
 * that it is named after. */
#ifndef MEMD_LEND_GUEST_MESSAGES_H
#define MEMD_LEND_GUEST_MESSAGES_H

#include "daemon/net/dispatch.h"

struct guests;

message_handler handle_store_open, handle_store_read, handle_store_write,
	handle_store_discard, handle_store_close;

/* Have them handled here. */
void guest_messages_add(struct conns *all, struct guests *room);

#endif
