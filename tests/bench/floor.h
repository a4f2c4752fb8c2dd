/* SPDX-License-Identifier: MIT */
/* What one fault costs before memd does anything for it: the floor under every
 * figure of the paging benchmark.  Uses the library's userfaultfd calls, but
 * no daemon: a forked process stands for it, and says yes to everything.
 *
 * Each page of a file in memory is touched once, in an order without
 * neighbours (that of the work "minor"), and must have the right number in
 * it. */
#ifndef MEMD_BENCH_FLOOR_H
#define MEMD_BENCH_FLOOR_H

#include "common/checks.h"
#include <stddef.h>

/* Who takes the fault. */
enum floor_how {
	FLOOR_KERNEL,		/* nobody but the kernel */
	FLOOR_INLINE,		/* SIGBUS in the thread that faults */
	FLOOR_THREAD,		/* a handler thread, asleep in poll() */
	FLOOR_HOWS
};

/* How the other process is asked. */
enum floor_ask {
	FLOOR_NONE,		/* it is not: the page is there already */
	FLOOR_SOCKET,		/* 48 bytes to it, 48 back */
	FLOOR_MAILBOX,		/* through shared memory, both sides spinning,
				 * and yielding now and then to whom they wait
				 * for */
	FLOOR_MAILBOX_ZERO,	/* the same, and it puts a zeroed page there
				 * before it answers */
	FLOOR_ASKS
};

extern const char *const floor_how_names[FLOOR_HOWS];
extern const char *const floor_ask_names[FLOOR_ASKS];

struct floor_result {
	double mean_ns, p50_ns, p99_ns;
};

/* The combinations that make sense. */
enum { FLOOR_KINDS = 9 };
extern const struct floor_kind {
	enum floor_how how;
	enum floor_ask ask;
} floor_kinds[FLOOR_KINDS];

/* 0, or the -errno for which there is no userfaultfd here. */
int floor_probe(void) MUST_CHECK;

/* Measure one, in processes of its own.  page_count: at most 1048576, no
 * multiple of 7919.  Returns 0; -EINTR (child_stop_signal()); -EIO after
 * saying on stderr what went wrong. */
int floor_run(const struct floor_kind *kind, size_t page_count,
	      struct floor_result *ret_result) MUST_CHECK;

#endif
