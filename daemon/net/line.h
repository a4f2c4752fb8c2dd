/* SPDX-License-Identifier: MIT */
/* Connections that wait in line for the next turn of the loop.
 *
 * Messages that are not part of paging may cost tens of microseconds each.  A
 * client can send a hundred of them in one piece, and can have a thousand
 * connections.  So the messages of all clients together get LINE_TURN_NS of
 * each turn.
 *
 * 1. When the time of a turn is used up, a connection that becomes readable, or
 *    that has messages left, is put at the end of the line.  It is held
 *    (conn_hold), so nothing is read from it meanwhile.
 * 2. A connection whose last message was part of paging is read from at once,
 *    and messages of paging do not wait.  Exception: if the paging messages of
 *    one piece cost too many faults (conn_note_work()), the next message
 *    waits.
 * 3. Between two turns the loop looks at all sockets.  So a fault waits for at
 *    most one turn's time and one message, however many messages there are.
 *
 * Only programs on this host wait in line.  guest_schedule.h divides the work
 * for other hosts into turns. */
#ifndef MEMD_NET_LINE_H
#define MEMD_NET_LINE_H

#include "daemon/net/conn.h"

#define LINE_TURN_NS	UINT64_C(10000)

/* Whether a message of `c` may be read or handled in this turn. */
bool line_lets_pass(struct conns *all, const struct conn *c) MUST_CHECK;

/* Put `c` at the end of the line.  The caller has called conn_hold(). */
void line_join(struct conn *c);

/* Begin a new turn.  Returns whether any connection waits in line. */
bool line_begin_turn(struct conns *all);

/* Take the first connection out of the line; the caller releases it.  NULL: the
 * line is empty, or the time of the turn is used up. */
struct conn *line_next(struct conns *all);

#endif
