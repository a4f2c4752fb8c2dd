/* SPDX-License-Identifier: MIT */
/* Two lists of guests: those that may have something to start, and those that
 * wait a moment for pins. */
#ifndef MEMD_LEND_GUEST_DUE_H
#define MEMD_LEND_GUEST_DUE_H

#include "daemon/lend/guest.h"

/* There may be something to start, or the guest's connection may be
 * released. */
void guest_due_add(struct guest *guest);
/* The guest is on the list guests.due. */
void guest_due_remove(struct guests *gs, struct guest *guest);

/* The guest got no pins: it tries again after some milliseconds. */
void guest_due_starve(struct guest *guest);

void guest_due_fini(struct guests *gs);

#endif
