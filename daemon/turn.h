/* SPDX-License-Identifier: MIT */
/* The turn.  What must not happen inside a callback of the pager, or while a
 * connection's own callback runs (freeing it, above all), waits for it: an
 * event of the first priority that runs once after the callbacks that are ready
 * now.  Every other callback ends with turn_settle(). */
#ifndef MEMD_DAEMON_TURN_H
#define MEMD_DAEMON_TURN_H

#include "common/checks.h"

struct daemon;

/* Before anything can be deferred. */
void turn_init_work(struct daemon *d);

/* When there is a base for events.  0 or -EINVAL. */
int turn_init(struct daemon *d) MUST_CHECK;

/* Let out what has been queued: replies, I/O; ask for the turn if there is
 * something for it. */
void turn_settle(struct daemon *d);

void turn_ask(struct daemon *d);

#endif
