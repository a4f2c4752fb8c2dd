/* SPDX-License-Identifier: MIT */
/* Inline regions: faults handled by the faulting thread, in a SIGBUS
 * handler. */
#ifndef MEMD_CLIENT_FAULT_INLINE_H
#define MEMD_CLIENT_FAULT_INLINE_H

#include "common/checks.h"

struct memclient;

enum { INLINE_CLIENTS_MAX = 64 };

/* Install the SIGBUS handler (once per process) and let it know `mc`.  To be
 * called before the first inline region; again does nothing.
 * Returns 0, -EMFILE (64 connections have inline regions), or -errno. */
int inline_add(struct memclient *mc) MUST_CHECK;

/* Make sure that no SIGBUS handler looks at `mc` any more. */
void inline_remove(struct memclient *mc);

/* In the child of a fork: no connection is ours, and nobody looks. */
void inline_forget_parents(void);

#endif
