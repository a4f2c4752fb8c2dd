/* SPDX-License-Identifier: MIT */
/* One child process at a time, and what happens to it when we are told to
 * end: SIGINT, SIGTERM, SIGHUP and SIGQUIT kill the child and make
 * child_run() return, so that the caller comes to its cleaning up. */
#ifndef MEMD_BENCH_CHILD_H
#define MEMD_BENCH_CHILD_H

#include "common/checks.h"

/* Install the handlers.  Once. */
void child_init(void);

/* Run body(arg) in a child; its result is the exit status.  The child is
 * killed when this process dies.  Returns the exit status, 128 + the signal
 * that killed it, -EINTR (we are to end), or -errno (no child). */
int child_run(int (*body)(void *arg), void *arg) MUST_CHECK;

/* The signal that told us to end, or 0. */
int child_stop_signal(void);

/* From now on those signals wait for ever: for cleaning up undisturbed. */
void child_block_signals(void);

#endif
