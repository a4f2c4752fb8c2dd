/* SPDX-License-Identifier: MIT */
/* The messages of programs on this host that have memory here.  Who may send
 * which, and when, is one table; each handler is in the handle_ or other file
 * that it is named after. */
#ifndef MEMD_SERVE_SERVE_MESSAGES_H
#define MEMD_SERVE_SERVE_MESSAGES_H

#include "daemon/net/dispatch.h"

struct serve;

message_handler handle_hello, handle_join, handle_mailbox, handle_ring,
	handle_userfaultfd, handle_goodbye, handle_segment_create,
	handle_segment_attach, handle_segment_detach, handle_segment_unlink,
	handle_segment_mapped, handle_fault, handle_touched, handle_advise,
	handle_pin, handle_unpin, handle_session_stats;

/* Have them handled here. */
void serve_messages_add(struct conns *all, struct serve *room);

#endif
