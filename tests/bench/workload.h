/* SPDX-License-Identifier: MIT */
/* The work every contestant of the paging benchmark does: fill memory with
 * values derived from their addresses, then access it page by page from some
 * threads, timing each access and checking each value read; or use it as a hash
 * table; or sort it.
 *
 * Its own notes (times, how often a word was written) live in memory that the
 * caller gives, so that they are charged to no contestant.
 *
 * Thread t uses one word of every page, its own, so that a read-modify-write
 * has one right answer whatever the threads do to each other's pages. */
#ifndef MEMD_BENCH_WORKLOAD_H
#define MEMD_BENCH_WORKLOAD_H

#include "common/checks.h"
#include "tests/bench/order.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORKLOAD_PAGE_BYTES = 4096, WORKLOAD_THREADS_MAX = 64 };

/* What is done to a page. */
enum work_access {
	ACCESS_READ,		/* one word, and check it */
	ACCESS_READ_BESIDE,	/* the same, while another thread, the scanner,
				 * reads all in order, round and round */
	ACCESS_CHANGE,		/* read one word, and write another value */
	ACCESS_TOUCH,		/* write one word of an empty page */
	ACCESS_FILL,		/* write all words of an empty page */
	ACCESS_PUT,		/* a new key whose home it is into the table */
	ACCESS_GET,		/* look such a key up; some are not there */
	ACCESS_SORT,		/* all pages at once */
};

/* What has become of the memory when the work begins. */
enum work_start {
	START_EMPTY,		/* never touched */
	START_FILLED,		/* filled, in order */
	START_SWEPT,		/* filled, and read once, in order */
	START_WARM,		/* filled, and read as often as the work does,
				 * in its order, which the work then goes on
				 * with; for one thread */
	START_DROPPED,		/* filled, and every 8th page dropped again */
	START_UNMAPPED,		/* filled, and every 8th page taken out of the
				 * page tables: what ageing does to it */
	START_SHARED,		/* filled by another process */
	START_TABLE,		/* a hash table (algorithms.h), made in order;
				 * for ACCESS_PUT each page lacks one key */
	START_KEYS,		/* filled with random keys */
};

struct work_kind {
	const char *name;	/* "seq-read" */
	enum work_access access;
	enum work_start start;
	enum order_kind order;
};

/* How many accesses the work makes in that many pages if `wanted` are asked
 * for: those that access all pages, once or in passes, take no more and no
 * fewer. */
size_t work_kind_accesses(const struct work_kind *kind, size_t page_count,
			  size_t wanted);

struct workload {
	uint64_t *words;	/* page_count pages */
	size_t page_count;
	uint64_t first_value;	/* of the first word; each process's differs */
	const struct work_kind *kind;
	unsigned thread_count;	/* without a scanner */
	size_t access_count;	/* of all threads; a multiple of thread_count */
	uint64_t seed;
	uint32_t *samples;	/* out: ns of each access, but of ACCESS_SORT */
	uint8_t *writes;	/* zeroed; thread_count * page_count long */
};

/* A value that was not what it had to be. */
struct workload_wrong {
	size_t word;
	uint64_t want, got;
};

/* All without the scanner. */
struct workload_outcome {
	uint64_t begin_ns, end_ns;	/* all accesses, by the clock */
	int64_t fault_count;		/* page faults; -1: cannot be counted */
	struct workload_wrong wrong;	/* only with -EILSEQ */
};

/* Write all of the memory, and read words of pages, in order or in the work's
 * order, if the work starts so.  Returns 0 or -EILSEQ. */
int workload_fill(const struct workload *w, struct workload_wrong *ret_wrong)
	MUST_CHECK;

/* Do all accesses.  Returns 0, -EILSEQ (a wrong value), or -EAGAIN or -ENOMEM
 * (no threads). */
int workload_run(const struct workload *w, struct workload_outcome *ret_outcome)
	MUST_CHECK;

/* Read every word of the memory, after a run.  Returns 0 or -EILSEQ. */
int workload_check(const struct workload *w, struct workload_wrong *ret_wrong)
	MUST_CHECK;

#endif
