/* SPDX-License-Identifier: MIT */
/* Which request of which guest is next: guests with something to start have
 * their turns one after the other, as long as there are pins, and room for
 * replies. */
#ifndef MEMD_LEND_GUEST_SCHEDULE_H
#define MEMD_LEND_GUEST_SCHEDULE_H

#include "daemon/lend/guest.h"

/* Go on with what can go on; a bounded piece.  Not from inside pager calls. */
void guest_schedule_step(struct guests *gs);
/* There is more to do at once. */
bool guest_schedule_has_work(const struct guests *gs);

/* The session's replies have been sent, as far as they go. */
void guest_schedule_drained(struct session *s);

#endif
