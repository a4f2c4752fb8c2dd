/* SPDX-License-Identifier: MIT */
/* Whether this kernel does what a capture relies on (B1 in backing.c). */
#ifndef MEMD_BACKING_SELF_TEST_H
#define MEMD_BACKING_SELF_TEST_H

#include "common/checks.h"

/* Capture a few pages and write to them in between.  Returns 0; -ENOTSUP: the
 * last write before the punch is not in what was captured, or the punch has
 * left the page; -errno: a step has failed.  Takes less than a millisecond. */
int capture_self_test(void) MUST_CHECK;

#endif
