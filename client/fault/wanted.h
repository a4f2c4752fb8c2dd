/* SPDX-License-Identifier: MIT */
/* Faults on their way to the daemon, on the library's thread: asks for the
 * pages that are wanted. */
#ifndef MEMD_CLIENT_FAULT_WANTED_H
#define MEMD_CLIENT_FAULT_WANTED_H

#include "client/fault/fault.h"
#include "client/fault/mailbox.h"
#include "client/link/session.h"

/* Ask for all that is wanted and can be asked for.  What has no room is asked
 * for in a later turn.  Returns whether the daemon must be sent a Ring. */
bool wanted_send(struct faults *fs, struct session *s, struct box *b);

/* A daemon that has said nothing for a while, and is waited for, is asked for
 * something that it answers at once.  What the answer says is not needed. */
void wanted_probe(const struct faults *fs, struct session *s);

#endif
