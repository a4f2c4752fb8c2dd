/* SPDX-License-Identifier: MIT */
/* What the loop does by itself: it looks around once more before it sleeps,
 * ticks once a second, and hears signals. */
#ifndef MEMD_DAEMON_LOOP_H
#define MEMD_DAEMON_LOOP_H

#include "common/checks.h"

struct daemon;

/* When there is a base for events.  0 or -EINVAL. */
int loop_init(struct daemon *d) MUST_CHECK;

/* From now on signals come to the loop.  0 or -ENOMEM. */
int loop_catch_signals(struct daemon *d) MUST_CHECK;

/* Start ticking.  0 or -ENOMEM. */
int loop_start_tick(struct daemon *d) MUST_CHECK;

#endif
