/* SPDX-License-Identifier: MIT */
/* The system calls that put a region's data file into the address space and
 * take it out again.  Knows neither the daemon nor the table of regions.
 *
 * Threads: the handler. */
#ifndef MEMD_CLIENT_REGION_MAPPING_H
#define MEMD_CLIENT_REGION_MAPPING_H

#include "client/region/region.h"

/* Map `fd` (borrowed) as r->length bytes, aligned to the page size, and
 * register it with `uffd`; sets r->start and the file's identity.  At no
 * moment can a touch of the new range read zeros.
 *
 * Returns 0, -EPROTO (not a sealed file of that length), -ENOMEM, -EAGAIN
 * (mlockall(MCL_FUTURE) and over RLIMIT_MEMLOCK), -EPERM … */
int mapping_create(struct region *r, int fd, int uffd) MUST_CHECK;

/* Unmap, and let threads that wait there run into SIGSEGV.  False: there are
 * too many mappings to do so, and some of it stays, registered. */
bool mapping_destroy(struct region *r, int uffd);

/* Is `fd` the very file that is mapped in `r`? */
bool mapping_is_of(const struct region *r, int fd);

/* Forget which pages of [start, start + length) are mapped: their next touch
 * is a fault.  The bytes stay. */
void mapping_zap(uintptr_t start, size_t length);

/* Make every touch of what of the range is ours and not mapped a SIGBUS where
 * the kernel cannot poison.  When there are too many mappings, of the whole
 * region. */
void mapping_cover(struct region *r, uintptr_t start, size_t length, int uffd);

/* Anonymous memory of this process alone: zeroed, registered with `uffd` for
 * missing faults, nothing present.  NULL on failure. */
void *mapping_create_bells(size_t length, int uffd);

/* Make pages absent again, or not poisoned any more, also where they are
 * locked.  Any thread; async-signal-safe. */
void mapping_drop(uintptr_t start, size_t length);

#endif
