/* SPDX-License-Identifier: MIT */
/* Guests for whom something may be started, and those who wait a moment for
 * pins. */
#ifndef MEMD_LEND_GUEST_DUE_H
#define MEMD_LEND_GUEST_DUE_H

#include "daemon/lend/guest.h"

/* There may be something to start, or the guest to be heard again. */
void guest_due_add(struct guest *guest);
/* It is due. */
void guest_due_remove(struct guests *gs, struct guest *guest);

/* No pins are to be had for it: it tries again in a moment. */
void guest_due_starve(struct guest *guest);

void guest_due_fini(struct guests *gs);

#endif
