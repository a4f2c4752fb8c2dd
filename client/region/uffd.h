/* SPDX-License-Identifier: MIT */
/* userfaultfd: the only place that knows its ioctls, its flags and what its
 * errno numbers mean.  Knows nothing of regions, pages of segments or the
 * daemon: addresses and 4 KiB units only.
 *
 * Threads: any.  All but uffd_open() are async-signal-safe; none is a
 * cancellation point. */
#ifndef MEMD_CLIENT_REGION_UFFD_H
#define MEMD_CLIENT_REGION_UFFD_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UFFD_UNIT_BYTES = 4096 };

/* Where the unit begins that holds `address`. */
static inline uintptr_t uffd_unit_start(uintptr_t address)
{
	return address & -(uintptr_t)UFFD_UNIT_BYTES;
}

/* The outcome of a try to map pages. */
enum uffd_outcome {
	UFFD_MAPPED,	/* mapped, by us or before; wake its waiters */
	UFFD_MISSING,	/* not in the data file: ask the daemon */
	UFFD_AGAIN,	/* the address space is changing, or no memory just
			 * now: the same again later */
	UFFD_LOST,	/* the frame has a memory error: poison */
	UFFD_FOREIGN,	/* nothing of ours is mapped there (any more) */
	UFFD_EXITING,	/* the process is going away */
	UFFD_UNUSABLE,	/* the descriptor is not a userfaultfd (any more) */
};

struct uffd {
	int fd;
	bool is_user_only;	/* system calls on missing pages: EFAULT */
	bool can_poison;	/* the kernel has UFFDIO_POISON */
};

/* Open one for shared memory with MISSING and MINOR faults.  is_sigbus: the
 * faulting thread gets SIGBUS instead of a message being queued.
 *
 * Returns 0, -EPERM (not allowed or not there), -EOPNOTSUPP (kernel older
 * than 5.14), -EMFILE, -ENFILE, -ENOMEM. */
int uffd_open(bool is_sigbus, struct uffd *ret_uffd) MUST_CHECK;

/* Register for missing and, with_minor, minor faults.  0 or -errno. */
int uffd_register(int fd, uintptr_t start, size_t length, bool with_minor)
	MUST_CHECK;

/* One fault as it was read. */
struct uffd_fault {
	uintptr_t address;
	bool is_minor;
	bool is_write;
};

/* Read up to `max` (at most 64) faults.  Returns how many; 0 when none waits.
 * A thread that moves a part of a registered mapping with mremap() waits until
 * that is read; *ret_moved becomes true then: the part stays registered, at an
 * address that nobody knows. */
size_t uffd_read(int fd, struct uffd_fault *faults, size_t max,
		 bool *ret_moved);

/* Map the units of [start, start + length) that are in the data file and not
 * mapped yet, be the range one mapping or several.  Returns what is true of
 * the part [want, want + want_length): UFFD_MAPPED only if all of it that is
 * ours is mapped now, UFFD_FOREIGN only if none of it is ours; UFFD_MAPPED if
 * the part is not in the range.  Does not wake those who wait for units that
 * were mapped before: see uffd_wake(). */
enum uffd_outcome uffd_map(int fd, uintptr_t start, size_t length,
			   uintptr_t want, size_t want_length);

/* Put units into the data file where it is mapped at [start, start + length),
 * all of them absent, and map them there.  Wakes nobody.  The mapping must be
 * shared: of a private one the file would get nothing.
 *
 * 0, or -errno (-EEXIST: one is there): then some may have been put. */
int uffd_copy(int fd, uintptr_t start, size_t length, const void *bytes)
	MUST_CHECK;

/* Let the threads that wait for a unit in the range try again. */
void uffd_wake(int fd, uintptr_t start, size_t length);

/* Make one unit of anonymous memory zero and wake its waiters. */
void uffd_zero(int fd, uintptr_t address);

/* Make every touch of a unit that is ours and not mapped yet a SIGBUS, and
 * wake.  Returns how many units are poisoned now and were not before; -ENOENT
 * (nothing registered is mapped there), -EAGAIN (not all could be). */
int uffd_poison(int fd, uintptr_t start, size_t length) MUST_CHECK;

#endif
