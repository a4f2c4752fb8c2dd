/* SPDX-License-Identifier: MIT */
/* What a stretch of work cost besides time: processor time, and bytes moved to
 * and from the disk.  All from /proc and the processes' clocks; changes
 * nothing. */
#ifndef MEMD_BENCH_METER_H
#define MEMD_BENCH_METER_H

#include "common/checks.h"
#include <stdint.h>
#include <sys/types.h>

/* Counters that only grow: subtract two readings. */
struct meter {
	uint64_t daemon_cpu_ns;		/* and of its helper processes, those
					 * that have ended too; without a
					 * daemon: the kernel's kswapd */
	uint64_t machine_cpu_ns;	/* all CPUs: everything but idle */
	uint64_t read_bytes;
	uint64_t written_bytes;
};

/* Read the counters of `daemon`.  daemon 0: there is none, and the bytes are
 * those of the kernel's swap (of the whole machine).  Returns 0 or -errno. */
int meter_read(pid_t daemon, struct meter *ret_meter) MUST_CHECK;

/* Processor time of all threads of a process; 0: this one.  Returns 0 or
 * -errno. */
int meter_cpu_ns(pid_t pid, uint64_t *ret_ns) MUST_CHECK;

#endif
