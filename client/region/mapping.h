/* SPDX-License-Identifier: MIT */
/* The system calls that map a region's data file and unmap it.  This file knows
 * neither the daemon nor the table of regions.
 *
 * Threads: the library's thread. */
#ifndef MEMD_CLIENT_REGION_MAPPING_H
#define MEMD_CLIENT_REGION_MAPPING_H

#include "client/region/region.h"

/* Map `fd` (borrowed) as r->length bytes, aligned to the page size, and
 * register the mapping with `uffd`.  Sets r->start and the identity of the
 * file.  At no moment can a touch of the new range read zeros.
 *
 * Returns 0, -EPROTO (not a sealed file of that length), -ENOMEM, -EAGAIN
 * (mlockall(MCL_FUTURE), and over RLIMIT_MEMLOCK), or another -errno of the
 * system calls. */
int mapping_create(struct region *r, int fd, int uffd) MUST_CHECK;

/* Unmap the region.  Threads that wait there get SIGSEGV.  False: there are too
 * many mappings, so a part stays, registered. */
bool mapping_destroy(struct region *r, int uffd);

/* True if `fd` is the very file that is mapped in `r`. */
bool mapping_is_of(const struct region *r, int fd);

/* Map the book `fd` (borrowed) of the region, for reading.  A book that does
 * not fit is ignored. */
void mapping_add_book(struct region *r, int fd);
/* Unmap it, if there is one. */
void mapping_drop_book(struct region *r);

/* For kernels that cannot poison: make every touch of a page of the range that
 * is missing a SIGBUS.  If there are too many mappings, do so for the whole
 * region. */
void mapping_cover(struct region *r, uintptr_t start, size_t length, int uffd);

/* Map anonymous memory for bells: private, registered with `uffd` for missing
 * faults, nothing present.  NULL on failure. */
void *mapping_create_bells(size_t length, int uffd);

/* Make pages absent again, also if they are poisoned or locked.  Any thread;
 * async-signal-safe. */
void mapping_drop(uintptr_t start, size_t length);

#endif
