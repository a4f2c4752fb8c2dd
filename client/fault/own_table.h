/* SPDX-License-Identifier: MIT */
/* A table of descriptors of the thread's own (H5 in loop.c), so that a program
 * that closes all of its descriptors closes none of ours. */
#ifndef MEMD_CLIENT_FAULT_OWN_TABLE_H
#define MEMD_CLIENT_FAULT_OWN_TABLE_H

#include "common/checks.h"

/* Give the calling thread one with only `keep` in it.  0, -EPERM (the system
 * calls for it are forbidden), or another -errno. */
int own_table_enter(int keep) MUST_CHECK;

/* Nothing of ours may be number 0, 1 or 2: a sanitizer or a failed assertion
 * would write its text into it.  Open something harmless there.  0 or
 * -errno. */
int own_table_fill_standard(void) MUST_CHECK;

#endif
