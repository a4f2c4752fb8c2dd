/* SPDX-License-Identifier: MIT */
/* Connections of other hosts that have read a page a moment ago: as long as
 * memd looks for work anyway, it asks their sockets itself, which costs less
 * than a turn of the loop that asks for all.  (The kernel's name for the same,
 * a level below: networking/napi.rst.)
 *
 * 1. Each is on the list from a read that was answered until the setting
 *    busy_poll later, when a spin ends after that; or until it is destroyed,
 *    in the turn.
 * 2. It stays with the loop as well: what is not seen here is seen there.
 * 3. One is asked at a time, in turn, so that mailboxes and all others wait for
 *    no more than for the loop.
 * 4. While there are more than BUSY_POLL_MAX none is asked: then the loop is
 *    cheaper. */
#ifndef MEMD_NET_BUSY_POLL_H
#define MEMD_NET_BUSY_POLL_H

#include "daemon/net/conn.h"

enum { BUSY_POLL_MAX = 4 };

/* `c` has read: its next request is likely soon.  Does nothing where memd may
 * not look. */
void busy_poll_add(struct conn *c);

/* Is there any that busy_poll_look() asks? */
bool busy_poll_can_look(const struct conns *all);

/* Only where it can: take what has come on the next one, and handle it.  Not
 * from inside a handler.  Returns whether bytes had come: then the caller
 * settles.  (At their end conn_close() has asked for the turn.) */
bool busy_poll_look(struct conns *all);

/* Let go of those that have not read for a while. */
void busy_poll_doze(struct conns *all, uint64_t now_ns);

#endif
