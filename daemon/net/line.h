/* SPDX-License-Identifier: MIT */
/* Connections that wait for the next turn of the loop.  Messages that are no
 * part of paging may cost tens of microseconds each; a client can send a
 * hundred in one piece, and have a thousand connections.  All clients together
 * have LINE_TURN_NS of each turn for them.
 *
 * 1. A connection that is readable when that is over stands in line, first
 *    come, first served, and is not read from (conn_hold) meanwhile.  The same
 *    if it becomes over while there are messages left.
 * 2. A connection whose last message was part of paging is read from at once,
 *    and such messages do not wait.
 * 3. Between two turns the loop looks at all sockets.  So a fault waits for one
 *    turn's worth and for one message, however many there are.
 *
 * Only for programs on this host; what other hosts ask for is cut into turns by
 * store_schedule.h. */
#ifndef MEMD_NET_LINE_H
#define MEMD_NET_LINE_H

#include "common/checks.h"
#include "daemon/net/conn.h"
#include <stdbool.h>
#include <stdint.h>

struct daemon;

struct line {
	struct event turn;		/* pending: this one is not over */
	uint64_t until_ns;		/* messages may begin; 0: none has */
	struct conn_list waiting;	/* not DEAD, held */
};

/* 0 or -EINVAL. */
int line_init(struct line *line, struct daemon *d) MUST_CHECK;

/* May `c` be read from, or its message be handled, now?  Else it stands in
 * line. */
bool line_lets_pass(struct conn *c) MUST_CHECK;

/* It is closed. */
void line_leave(struct conn *c);

#endif
