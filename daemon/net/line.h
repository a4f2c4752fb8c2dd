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
 *    and such messages do not wait; but what comes after many faults' worth of
 *    them in one piece does (conn_note_work()).
 * 3. Between two turns the loop looks at all sockets.  So a fault waits for one
 *    turn's worth and for one message, however many there are.
 *
 * Only for programs on this host; what other hosts ask for is cut into turns by
 * guest_schedule.h. */
#ifndef MEMD_NET_LINE_H
#define MEMD_NET_LINE_H

#include "daemon/net/conn.h"

#define LINE_TURN_NS	UINT64_C(10000)

/* May messages of `c` be read, or handled, now? */
bool line_lets_pass(struct conns *all, const struct conn *c) MUST_CHECK;

/* `c`, which is held from now on, stands in line. */
void line_join(struct conn *c);

/* A new turn.  Returns whether anybody stands in line. */
bool line_begin_turn(struct conns *all);

/* The next one, who goes; NULL: nobody, or the turn is over. */
struct conn *line_next(struct conns *all);

#endif
