/* SPDX-License-Identifier: MIT */
/* What the loop does besides the events of the rooms: it looks for work once
 * more before it sleeps (spin), ticks once a second, and handles signals. */
#ifndef MEMD_DAEMON_LOOP_H
#define MEMD_DAEMON_LOOP_H

#include "common/checks.h"

struct daemon;

/* Call when d->base exists.  Returns 0 or -EINVAL. */
int loop_init(struct daemon *d) MUST_CHECK;

/* Handle signals in the loop from now on.  Returns 0 or -ENOMEM. */
int loop_catch_signals(struct daemon *d) MUST_CHECK;

/* Start the tick.  Returns 0 or -ENOMEM. */
int loop_start_tick(struct daemon *d) MUST_CHECK;

#endif
