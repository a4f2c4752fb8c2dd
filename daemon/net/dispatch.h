/* SPDX-License-Identifier: MIT */
/* From message types to handlers: who may send what, when, is one table. */
#ifndef MEMD_NET_DISPATCH_H
#define MEMD_NET_DISPATCH_H

#include "daemon/net/conn.h"
#include "proto/wire.h"

/* Unpack the body of a message and have it handled.  May close `c`. */
void dispatch_message(struct conn *c, const struct wire_header *header,
		      const uint8_t *body);

/* Is a message of this type part of paging, and cheap?  It never stands in
 * line (line.h). */
bool dispatch_is_paging(uint16_t type);

/* A handler answers request `id` now, or sees to it that it will be.  `message`
 * is valid until it returns.  c->session is NULL for Hello and Join only. */
typedef void handler(struct daemon *d, struct conn *c, uint64_t id,
		     const void *message);

/* handle_session.c */
handler handle_hello, handle_join, handle_mailbox, handle_ring,
	handle_userfaultfd, handle_goodbye, handle_session_stats;
/* handle_segment.c */
handler handle_segment_create, handle_segment_attach, handle_segment_detach,
	handle_segment_mapped, handle_segment_unlink;
/* handle_advice.c */
handler handle_advise, handle_pin, handle_unpin;
/* handle_fault.c */
handler handle_fault, handle_touched;
/* The same, put into the mailbox; a fault is answered in cell `cell`. */
void handle_fault_in_cell(struct daemon *d, struct conn *c, unsigned cell,
			  uint64_t id, const void *message);
void handle_touched_in_cell(struct daemon *d, struct conn *c,
			    const void *message);
/* handle_store.c */
handler handle_store_open, handle_store_read, handle_store_write,
	handle_store_discard, handle_store_close;
/* admin_status.c */
handler handle_status;
/* admin_show.c */
handler handle_sessions, handle_segments, handle_maps, handle_counters,
	handle_fault_stats, handle_config, handle_limits;
/* admin_remote.c */
handler handle_stores;
/* admin_act.c */
handler handle_trace, handle_evict, handle_limit_set, handle_replay,
	handle_disconnect, handle_store_drop;

#endif
