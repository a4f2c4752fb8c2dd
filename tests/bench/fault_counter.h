/* SPDX-License-Identifier: MIT */
/* How many page faults a thread takes, whoever answers them: the kernel's
 * software counter of perf_event_open(2), which counts a fault that ends in
 * SIGBUS or in a userfaultfd just as any other.  (getrusage(2) does not count
 * the former.) */
#ifndef MEMD_BENCH_FAULT_COUNTER_H
#define MEMD_BENCH_FAULT_COUNTER_H

#include <stdint.h>

/* Count the calling thread's faults from now on.  Returns a descriptor to be
 * closed, or -1: not allowed here. */
int fault_counter_open(void);

/* The faults so far, or -1 (fd is -1). */
int64_t fault_counter_read(int fd);

#endif
