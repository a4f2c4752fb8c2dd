/* SPDX-License-Identifier: MIT */
/* userfaultfd: the only file that knows its ioctls, its flags and the meaning
 * of its errno numbers.  It knows addresses and 4 KiB units, but no regions,
 * pages of segments or daemon.
 *
 * Threads: any.  All functions except uffd_open() are async-signal-safe, and
 * none is a cancellation point. */
#ifndef MEMD_CLIENT_REGION_UFFD_H
#define MEMD_CLIENT_REGION_UFFD_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UFFD_UNIT_BYTES = 4096 };

/* The start of the unit that holds `address`. */
static inline uintptr_t uffd_unit_start(uintptr_t address)
{
	return address & -(uintptr_t)UFFD_UNIT_BYTES;
}

/* The outcome of an attempt to map pages. */
enum uffd_outcome {
	UFFD_MAPPED,	/* mapped, now or before; wake its waiters */
	UFFD_MISSING,	/* not in the data file: ask the daemon */
	/* The address space is changing, or no memory now: try again later. */
	UFFD_AGAIN,
	UFFD_LOST,	/* the frame has a memory error: poison */
	UFFD_FOREIGN,	/* nothing of ours is mapped there (any more) */
	UFFD_EXITING,	/* the process is exiting */
	UFFD_UNUSABLE,	/* the descriptor is no userfaultfd (any more) */
};

struct uffd {
	int fd;
	/* EFAULT for system calls that meet missing pages */
	bool is_user_only;
	bool can_poison;	/* the kernel has UFFDIO_POISON */
};

/* Open a userfaultfd for shared memory, with MISSING and MINOR faults.
 * is_sigbus: the faulting thread gets SIGBUS, and no message is queued.
 *
 * Returns 0, -EPERM (not allowed, or the kernel has none), -EOPNOTSUPP (kernel
 * older than 5.14), -EMFILE, -ENFILE, -ENOMEM. */
int uffd_open(bool is_sigbus, struct uffd *ret_uffd) MUST_CHECK;

/* Register the range for missing and (with_minor) minor faults.  0 or
 * -errno. */
int uffd_register(int fd, uintptr_t start, size_t length, bool with_minor)
	MUST_CHECK;

/* A fault message. */
struct uffd_fault {
	uintptr_t address;
	bool is_minor;
	bool is_write;
};

/* Read up to `max` (at most 64) faults.  Returns how many; 0: none waits.
 * *ret_moved becomes true if a thread has moved a part of a registered mapping
 * with mremap(): the part stays registered, at an unknown address.  That thread
 * waits until the message is read. */
size_t uffd_read(int fd, struct uffd_fault *faults, size_t max,
		 bool *ret_moved);

/* Map the units of [start, start + length) that are in the data file and not
 * mapped yet.  The range may have several mappings.  Returns the outcome for
 * the part [want, want + want_length): UFFD_MAPPED only if all units of it that
 * are ours are mapped now; UFFD_FOREIGN only if none is ours; UFFD_MAPPED if
 * the part is not in the range.  Does not wake threads that wait for units that
 * were mapped before: see uffd_wake(). */
enum uffd_outcome uffd_map(int fd, uintptr_t start, size_t length,
			   uintptr_t want, size_t want_length);

/* Put units into the data file where it is mapped at [start, start + length),
 * and map them there.  All must be absent.  Wakes no thread.  The mapping must
 * be shared: through a private mapping, the file would get nothing.
 *
 * 0, or -errno (-EEXIST: a unit is present); then some units may have been
 * put. */
int uffd_copy(int fd, uintptr_t start, size_t length, const void *bytes)
	MUST_CHECK;

/* As uffd_copy(), one unit; zeros if `bytes` is NULL. */
int uffd_install(int fd, uintptr_t address, const void *bytes) MUST_CHECK;

/* Wake the threads that wait for a unit in the range; they try again. */
void uffd_wake(int fd, uintptr_t start, size_t length);

/* Make one unit of anonymous memory present, with zeros, and wake its
 * waiters. */
void uffd_zero(int fd, uintptr_t address);

/* Poison the units that are ours and not mapped: every touch of them is SIGBUS.
 * Wakes their waiters.  Returns how many units are newly poisoned; -ENOENT
 * (nothing registered is mapped there), -EAGAIN (not all could be poisoned). */
int uffd_poison(int fd, uintptr_t start, size_t length) MUST_CHECK;

#endif
