/* SPDX-License-Identifier: MIT */
/* Which request of which guest is next: guests with something to start have
 * their turns one after the other, as long as there are pins, and room for
 * replies. */
#ifndef MEMD_LEND_GUEST_SCHEDULE_H
#define MEMD_LEND_GUEST_SCHEDULE_H

#include "daemon/lend/guest.h"

void guest_schedule_init(struct guests *gs);

/* Go on with what can go on; a bounded piece, and the rest in the next turn.
 * Not from inside pager calls. */
void guest_schedule_step(struct guests *gs);

/* The session's replies have been sent, as far as they go. */
void guest_schedule_drained(struct session *s);

#endif
