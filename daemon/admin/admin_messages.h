/* SPDX-License-Identifier: MIT */
/* The messages of memctl.  One table says who may send which message, and when.
 * The handlers are in admin_act.c, admin_show.c, admin_status.c and
 * admin_guests.c. */
#ifndef MEMD_ADMIN_ADMIN_MESSAGES_H
#define MEMD_ADMIN_ADMIN_MESSAGES_H

#include "daemon/net/dispatch.h"

struct admin;

message_handler handle_status, handle_sessions, handle_segments,
	handle_guests, handle_guest_drop, handle_maps, handle_counters,
	handle_fault_stats, handle_trace, handle_evict, handle_replay,
	handle_disconnect, handle_limit_set, handle_limits, handle_config;

/* Register these handlers. */
void admin_messages_add(struct conns *all, struct admin *room);

#endif
