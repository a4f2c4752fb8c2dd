/* SPDX-License-Identifier: MIT */
/* Pins.  The daemon keeps the pages of a pinned range in memory.  This file
 * maps them, so that the kernel finds them in system calls and when a thread
 * ends.
 *
 * Threads: the library's thread. */
#ifndef MEMD_CLIENT_FAULT_PINNING_H
#define MEMD_CLIENT_FAULT_PINNING_H

#include "client/link/command.h"
#include "client/link/session.h"
#include "client/region/space.h"

/* The daemon has pinned the range of `c`: note the range.  The caller then
 * calls pinning_step().  0, or -errno; then the caller calls pinning_undo(). */
int pinning_start(struct space *sp, struct command *c) MUST_CHECK;

/* Map some more pages of the range.  0: all are mapped; -EAGAIN: call again;
 * -EIO: a page is lost; -EINVAL: the region was unmapped. */
int pinning_step(struct space *sp, struct command *c) MUST_CHECK;

/* The pin has failed here: make the daemon forget it. */
void pinning_undo(struct space *sp, struct session *s, struct command *c);

/* The daemon has unpinned the range of `c`: remove its note. */
void pinning_end(struct space *sp, const struct command *c);

#endif
