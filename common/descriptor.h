/* SPDX-License-Identifier: MIT */
/* Descriptors of ours in somebody else's table.
 *
 * The program may close any of them (many do, before they exec, or as they
 * become a daemon), and its next file gets the number.  So before a number is
 * closed it must be what it was; and none of ours may be 0, 1 or 2, which the
 * program, or a library of it, would write to.
 *
 * Threads: any.  Async-signal-safe; no cancellation points. */
#ifndef MEMD_COMMON_DESCRIPTOR_H
#define MEMD_COMMON_DESCRIPTOR_H

#include "common/checks.h"
#include <stdbool.h>
#include <sys/types.h>

/* What a descriptor is of.  Each socket and each userfaultfd has an inode of
 * its own, whose number is not used twice while it is open. */
struct descriptor_id {
	dev_t dev;
	ino_t ino;
};

/* Move a descriptor that was just made above 2.  Returns the new number, or a
 * negative one with errno as it is, or was given. */
int descriptor_raise(int fd) MUST_CHECK;

/* 0 or -errno. */
int descriptor_identify(int fd, struct descriptor_id *ret_id) MUST_CHECK;

/* Is the number still what it was?  A negative one is nothing. */
bool descriptor_is(int fd, const struct descriptor_id *id);

/* Close it if it is. */
void descriptor_close(int fd, const struct descriptor_id *id);

#endif
