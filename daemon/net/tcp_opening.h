/* SPDX-License-Identifier: MIT */
/* Opens the TCP sockets of listen_tcp, now or later.  At boot memd may start
 * before the host has the address, and before a name service can resolve the
 * name. */
#ifndef MEMD_NET_TCP_OPENING_H
#define MEMD_NET_TCP_OPENING_H

#include "common/checks.h"
#include "daemon/net/server.h"
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

struct remote_lookup;

struct tcp_opening {
	struct server *server;
	const struct config *config;
	struct event retry;
	struct event looked_up;
	struct remote_lookup *lookup;	/* owned; NULL: none under way */
	bool is_waiting;		/* not open yet; see `reason` */
	bool is_begun;
	uint64_t delay_ms;		/* before the next try */
	char reason[512];
};

/* Open the sockets of listen_tcp, if it is set, and give them to the server.
 * If the address is not there yet, or the name is not known, log that and try
 * again later.  Returns 0, or -errno with a line in ret_reason: trying again is
 * useless. */
int tcp_opening_begin(struct tcp_opening *to, struct server *server,
		      char *ret_reason, size_t reason_size) MUST_CHECK;

/* Stop trying.  May be called again. */
void tcp_opening_end(struct tcp_opening *to);

#endif
