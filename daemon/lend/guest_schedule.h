/* SPDX-License-Identifier: MIT */
/* Which request of which store is next: stores with something to start have
 * their turns one after the other, as long as there are pins, and room for
 * replies. */
#ifndef MEMD_LEND_GUEST_SCHEDULE_H
#define MEMD_LEND_GUEST_SCHEDULE_H

#include <stdbool.h>

struct daemon;
struct session;
struct guest;
struct guests;

/* There may be something to start, or its client to be heard again. */
void guest_schedule_add(struct guest *guest);

/* Go on with what can go on; a bounded piece.  Not from inside pager calls. */
void guest_schedule_step(struct daemon *d);
/* There is more to do at once. */
bool guest_schedule_has_work(const struct guests *gs);

/* The session's replies have been sent, as far as they go. */
void guest_schedule_drained(struct session *s);

/* No pins are to be had for it: it tries again in a moment. */
void guest_schedule_starve(struct guest *guest);

void guest_schedule_fini(struct guests *gs);

#endif
