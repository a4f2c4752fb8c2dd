/* SPDX-License-Identifier: MIT */
/* The messages of programs on this host.  One table says who may send which
 * message, and when.  Each handler is in the handle_*.c file that its name
 * suggests. */
#ifndef MEMD_SERVE_SERVE_MESSAGES_H
#define MEMD_SERVE_SERVE_MESSAGES_H

#include "daemon/net/dispatch.h"

struct serve;

message_handler handle_hello, handle_mailbox, handle_desk, handle_ring,
	handle_userfaultfd, handle_goodbye, handle_segment_create,
	handle_segment_attach, handle_segment_detach, handle_segment_unlink,
	handle_segment_mapped, handle_fault, handle_touched, handle_advise,
	handle_pin, handle_unpin, handle_session_stats;

/* Register these handlers. */
void serve_messages_add(struct conns *all, struct serve *room);

#endif
