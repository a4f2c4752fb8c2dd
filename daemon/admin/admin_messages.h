/* SPDX-License-Identifier: MIT */
/* The messages of memctl.  Who may send
 * which, and when, is one table; each handler is in the handle_ or other file
 * that it is named after. */
#ifndef MEMD_ADMIN_ADMIN_MESSAGES_H
#define MEMD_ADMIN_ADMIN_MESSAGES_H

#include "daemon/net/dispatch.h"

struct admin;

message_handler handle_status, handle_sessions, handle_segments,
	handle_guests, handle_guest_drop, handle_maps, handle_counters,
	handle_fault_stats, handle_trace, handle_evict, handle_replay,
	handle_disconnect, handle_limit_set, handle_limits, handle_config;

/* Have them handled here. */
void admin_messages_add(struct conns *all, struct admin *room);

#endif
