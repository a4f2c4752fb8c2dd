/* SPDX-License-Identifier: MIT */
/* Connections of other hosts that have read a page a moment ago: as long as
 * memd looks for work anyway (busy_poll), it asks their sockets directly, which
 * costs less than a turn of the loop that asks for all.  (The kernel's name for
 * the same, a level below: networking/napi.rst.)
 *
 * 1. Each is on the list from its read until nothing came for IDLE_NS, or until
 *    it is destroyed; the list counts.
 * 2. It stays with the loop as well: what is not seen here is seen there.
 * 3. With more than BUSY_POLL_MAX of them none is asked: then the loop is
 *    cheaper. */
#ifndef MEMD_DAEMON_BUSY_POLL_H
#define MEMD_DAEMON_BUSY_POLL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;
struct daemon;

enum { BUSY_POLL_MAX = 4 };

struct busy_poll {
	LIST_HEAD(, conn) conns;
	unsigned count;
};

void busy_poll_init(struct busy_poll *bp);

/* `c` has read: its next request is likely soon.  Nothing where memd may not
 * look. */
void busy_poll_add(struct conn *c);

void busy_poll_remove(struct conn *c);

/* Is there anything that busy_poll_look() asks? */
bool busy_poll_can_look(const struct busy_poll *bp);

/* Take what has come, and handle it; the caller settles.  Not from inside a
 * handler.  Returns whether anything had. */
bool busy_poll_look(struct daemon *d);

/* Let go of those that have read nothing for a while. */
void busy_poll_doze(struct busy_poll *bp, uint64_t now_ns);

#endif
