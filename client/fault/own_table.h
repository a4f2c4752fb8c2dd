/* SPDX-License-Identifier: MIT */
/* Gives a thread its own table of descriptors (H5 in loop.c), so that a program
 * that closes all descriptors closes none of the library's. */
#ifndef MEMD_CLIENT_FAULT_OWN_TABLE_H
#define MEMD_CLIENT_FAULT_OWN_TABLE_H

#include "common/checks.h"
#include <stddef.h>

enum { OWN_TABLE_KEEP = 8 };

/* Give the calling thread a table with only these numbers in it, at most
 * OWN_TABLE_KEEP.  They are sorted.  0, -EPERM (the system calls for it are
 * forbidden), or another -errno. */
int own_table_enter(int *keep, size_t count) MUST_CHECK;

/* Open something harmless as numbers 0, 1 and 2, so that none of the library's
 * descriptors has them: a sanitizer or a failed assertion would write its text
 * into it.  0 or -errno. */
int own_table_fill_standard(void) MUST_CHECK;

#endif
