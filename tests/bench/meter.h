/* SPDX-License-Identifier: MIT */
/* What a stretch of work cost besides time, from /proc, /sys and perf events;
 * changes nothing.  Everything only grows: subtract two readings. */
#ifndef MEMD_BENCH_METER_H
#define MEMD_BENCH_METER_H

#include "common/checks.h"
#include <stdint.h>
#include <sys/types.h>

/* What is counted of some processes.  Those from METER_TRACED on are
 * tracepoints of the kernel: they make what they count slower. */
enum meter_count {
	METER_VOLUNTARY,	/* context switches: the thread had to wait */
	METER_INVOLUNTARY,	/* another thread was to run */
	METER_MINOR,		/* page faults that needed no disk */
	METER_TRACED,
	METER_SYSCALLS = METER_TRACED,	/* but for those that yield */
	METER_YIELDS,		/* sched_yield(): the longer the waits, the more
				 * while polling */
	METER_SIGNALS,		/* delivered */
	METER_COPIES,		/* UFFDIO_COPY and UFFDIO_ZEROPAGE */
	METER_CONTINUES,	/* UFFDIO_CONTINUE */
	METER_ZAPS,		/* madvise(), process_madvise() */
	METER_PUNCHES,		/* fallocate(FALLOC_FL_PUNCH_HOLE) */
	METER_SHOOTDOWNS,	/* of other processors' TLBs, ordered by them */
	METER_COUNTS
};
extern const char *const meter_names[METER_COUNTS];

/* Of some processes; a count below 0 cannot be had. */
struct meter {
	uint64_t cpu_ns;
	uint64_t read_bytes;	/* of disks; only of this process */
	int64_t count[METER_COUNTS];
};

/* The open counters of the tracepoints: of some threads, and of all threads and
 * processes that these start. */
struct meter_probes {
	unsigned count;
	struct {
		int fd;
		enum meter_count what;
	} probe[512];
};

/* Begin to count in a thread; 0: this.  What cannot be counted has no probe. */
void meter_probe(pid_t tid, struct meter_probes *to);
void meter_probes_close(struct meter_probes *probes);

/* Print a line of JSON for each that cannot be counted: {"left_out": why}. */
void meter_explain(void);

/* Read all of this process; or of a daemon and its helper processes, 0: of the
 * kernel's kswapd.  to_probe: begin to count in them; may be NULL. */
void meter_read_self(const struct meter_probes *probes,
		     struct meter *ret_meter);
void meter_read_daemon(pid_t daemon, const struct meter_probes *probes,
		       struct meter_probes *to_probe, struct meter *ret_meter);

/* The disk: bytes that the daemon's process moved, without a daemon the
 * kernel's swap; and requests of the block device with the file, or that is the
 * file, whoever made them.  Requests below 0 cannot be had. */
struct meter_disk {
	uint64_t read_bytes, written_bytes;
	int64_t reads, writes;
};

int meter_read_disk(pid_t daemon, const char *file,
		    struct meter_disk *ret_disk) MUST_CHECK;

/* A counter of this thread's page faults, whoever answers them: it takes one
 * that ends in SIGBUS or in a userfaultfd for a fault just as any other, which
 * getrusage(2) does not.  A descriptor to read 8 bytes of; -1: not allowed. */
int meter_open_faults(void);

#endif
