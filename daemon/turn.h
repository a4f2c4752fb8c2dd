/* SPDX-License-Identifier: MIT */
/* The turn: an event of the first priority that runs once, after the callbacks
 * that are ready now.  It does work that must not be done inside a pager
 * callback or a connection's own callback, such as freeing the connection.
 * Event callbacks that may have queued something end with turn_settle(). */
#ifndef MEMD_DAEMON_TURN_H
#define MEMD_DAEMON_TURN_H

#include "common/checks.h"

struct daemon;

/* Call before any work is deferred. */
void turn_init_work(struct daemon *d);

/* Call when d->base exists.  Returns 0 or -EINVAL. */
int turn_init(struct daemon *d) MUST_CHECK;

/* Send queued replies and submit queued I/O.  Ask for a turn if work is
 * deferred. */
void turn_settle(struct daemon *d);

/* Have the turn run soon. */
void turn_ask(struct daemon *d);

#endif
