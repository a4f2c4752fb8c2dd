/* SPDX-License-Identifier: MIT */
/* memd's helper processes that punch holes, as /proc shows them. */
#ifndef MEMD_TESTS_HELPERS_SEEN_H
#define MEMD_TESTS_HELPERS_SEEN_H

#include <sys/types.h>

/* How many helpers the process `memd` has; with `state` only those in that
 * state of proc(5), else all that have not ended. */
unsigned helpers_count(pid_t memd, char state);

/* Send all of them a signal.  Returns how many got it. */
unsigned helpers_signal(pid_t memd, int number);

#endif
