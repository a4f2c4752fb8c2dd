/* SPDX-License-Identifier: MIT */
/* Pins, on the library's thread.  The daemon keeps the pages of a pinned range
 * in; here they are mapped, so that the kernel finds them too when a system
 * call is given an address or a thread ends. */
#ifndef MEMD_CLIENT_FAULT_PINNING_H
#define MEMD_CLIENT_FAULT_PINNING_H

#include "client/link/command.h"
#include "client/link/session.h"
#include "client/region/space.h"

/* The daemon has pinned the range of `c`: note it; pinning_step() is to follow.
 * 0, or -errno: see pinning_undo(). */
int pinning_start(struct space *sp, struct command *c) MUST_CHECK;

/* Map some more of it.  0: all of it is mapped; -EAGAIN: call again; -EIO: a
 * page is lost. */
int pinning_step(struct space *sp, struct command *c) MUST_CHECK;

/* The pin has failed here: have the daemon forget it. */
void pinning_undo(struct space *sp, struct session *s, struct command *c);

/* The daemon has unpinned the range of `c`. */
void pinning_end(struct space *sp, const struct command *c);

#endif
