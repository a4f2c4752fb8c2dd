/* SPDX-License-Identifier: MIT */
/* Chooses the next request.  Guests with something to start take turns, as long
 * as there are pins, and room for replies. */
#ifndef MEMD_LEND_GUEST_SCHEDULE_H
#define MEMD_LEND_GUEST_SCHEDULE_H

#include "daemon/lend/guest.h"

void guest_schedule_init(struct guests *gs);

/* Start and continue requests.  Does a bounded amount of work, and the rest in
 * the next turn.  Do not call from inside pager callbacks. */
void guest_schedule_step(struct guests *gs);

/* The queued replies of the session have been sent, as far as its socket takes
 * them. */
void guest_schedule_drained(struct session *s);

#endif
