/* SPDX-License-Identifier: MIT */
/* Faults on their way to the daemon: asks for the pages that are wanted.
 * Threads: the library's thread. */
#ifndef MEMD_CLIENT_FAULT_WANTED_H
#define MEMD_CLIENT_FAULT_WANTED_H

#include "client/fault/fault.h"
#include "client/fault/mailbox.h"
#include "client/link/session.h"

/* Ask for all wanted pages of live regions, as far as there is room; the rest
 * follows in a later turn.  True: the daemon must be sent a Ring. */
bool wanted_send(struct faults *fs, struct session *s, struct box *b);

/* If faults wait for a daemon that has said nothing for a while, send it a
 * request that it answers at once.  The content of the answer does not
 * matter. */
void wanted_probe(const struct faults *fs, struct session *s);

#endif
