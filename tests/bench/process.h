/* SPDX-License-Identifier: MIT */
/* Processes as /proc/PID/stat shows them: who is whose child, and what they
 * cost. */
#ifndef MEMD_BENCH_PROCESS_H
#define MEMD_BENCH_PROCESS_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
	pid_t pid, parent;
	char name[32];
	uint64_t system_ns;
	uint64_t buried_ns;	/* of children that have ended */
};

/* Returns whether there is such a process. */
bool process_read(pid_t pid, struct process *ret_process);

/* Call visit(p, arg) for all processes.  Returns 0 or -errno. */
int process_each(void (*visit)(const struct process *p, void *arg), void *arg)
	MUST_CHECK;

/* The clock's tick in which /proc counts. */
uint64_t process_tick_ns(void);

#endif
