/* SPDX-License-Identifier: MIT */
/* Opening the sockets of listen_tcp, now or later.  At boot memd may start
 * before the address is there, and before a name service can tell which
 * address a name means. */
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
	bool is_waiting;		/* not open yet; see reason */
	bool is_begun;
	uint64_t delay_ms;		/* before the next try */
	char reason[512];
};

/* Open what listen_tcp says, if anything, and give it to the server; where its
 * address is not there yet, or its name is not known, try again later, and say
 * so.
 * Returns 0, or -errno with a line in ret_reason: it is no use to try again. */
int tcp_opening_begin(struct tcp_opening *to, struct server *server,
		      char *ret_reason, size_t reason_size) MUST_CHECK;

/* Do not try again.  May be called again. */
void tcp_opening_end(struct tcp_opening *to);

#endif
