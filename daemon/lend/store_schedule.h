/* SPDX-License-Identifier: MIT */
/* Which request of which store is next: stores with something to start have
 * their turns one after the other, as long as there are pins, and room for
 * replies. */
#ifndef MEMD_LEND_STORE_SCHEDULE_H
#define MEMD_LEND_STORE_SCHEDULE_H

#include <stdbool.h>

struct daemon;
struct session;
struct store;
struct stores;

/* There may be something to start, or its client to be heard again. */
void store_schedule_add(struct store *store);

/* Go on with what can go on; a bounded piece.  Not from inside pager calls. */
void store_schedule_step(struct daemon *d);
/* There is more to do at once. */
bool store_schedule_has_work(const struct stores *ss);

/* The session's replies have been sent, as far as they go. */
void store_schedule_drained(struct session *s);

/* No pins are to be had for it: it tries again in a moment. */
void store_schedule_starve(struct store *store);

void store_schedule_fini(struct stores *ss);

#endif
