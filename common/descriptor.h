/* SPDX-License-Identifier: MIT */
/* Descriptors of a library in the program's table.
 *
 * The program may close any of them (many programs do, before exec or when they
 * become a daemon), and its next file gets the number.  So before the library
 * closes a number, it checks that the number is still the same file.  And none
 * of the library's descriptors may be 0, 1 or 2, because the program or another
 * library would write to it.
 *
 * Threads: any.  Async-signal-safe; no cancellation points. */
#ifndef MEMD_COMMON_DESCRIPTOR_H
#define MEMD_COMMON_DESCRIPTOR_H

#include "common/checks.h"
#include <stdbool.h>
#include <sys/types.h>

/* The identity of a descriptor's file.  Each socket and each userfaultfd has an
 * inode of its own, whose number is not used again while it is open. */
struct descriptor_id {
	dev_t dev;
	ino_t ino;
};

/* If a descriptor that was just made is 0, 1 or 2, move it above 2.  Returns
 * the new number; or a negative one with errno set (also if `fd` was negative
 * already). */
int descriptor_raise(int fd) MUST_CHECK;

/* Get the identity of an open descriptor.  0 or -errno. */
int descriptor_identify(int fd, struct descriptor_id *ret_id) MUST_CHECK;

/* True if the number is still open and has this identity.  False for a negative
 * number. */
bool descriptor_is(int fd, const struct descriptor_id *id);

/* Close the number if it still has this identity. */
void descriptor_close(int fd, const struct descriptor_id *id);

#endif
