/* SPDX-License-Identifier: MIT */
/* The work every contestant of the paging benchmark does: fill memory with
 * values derived from their addresses, then access it page by page from some
 * threads, timing each access and checking each value read.
 *
 * Knows nothing of where the memory comes from.  Its own notes (times, how
 * often a word was written) live in memory that the caller gives, so that they
 * are charged to no contestant.
 *
 * Thread t uses one word of every page, its own, so that a read-modify-write
 * has one right answer whatever the threads do to each other's pages. */
#ifndef MEMD_BENCH_WORKLOAD_H
#define MEMD_BENCH_WORKLOAD_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORKLOAD_PAGE_BYTES = 4096, WORKLOAD_THREADS_MAX = 64 };

struct work_kind {
	const char *name;	/* "seq-read" */
	bool is_random;
	bool is_write;		/* reads, checks, and writes another value */
};

enum { WORK_KINDS = 4 };
extern const struct work_kind work_kinds[WORK_KINDS];

struct workload {
	uint64_t *words;	/* page_count pages, filled */
	size_t page_count;
	const struct work_kind *kind;
	unsigned thread_count;
	size_t access_count;	/* of all threads; a multiple of thread_count */
	uint64_t seed;
	uint32_t *samples;	/* out: ns of each access; access_count long */
	uint8_t *writes;	/* zeroed; thread_count * page_count long */
};

/* A value that was not what it had to be. */
struct workload_wrong {
	size_t word;
	uint64_t want, got;
};

/* Write every word of the memory. */
void workload_fill(uint64_t *words, size_t page_count);

/* Do all accesses.  Returns 0 and the time from the first to the last; or
 * -EILSEQ (a wrong value; see *ret_wrong), or -EAGAIN (no threads). */
int workload_run(const struct workload *w, uint64_t *ret_wall_ns,
		 struct workload_wrong *ret_wrong) MUST_CHECK;

/* Read every word of the memory, after a run.  Returns 0 or -EILSEQ. */
int workload_check(const struct workload *w, struct workload_wrong *ret_wrong)
	MUST_CHECK;

#endif
