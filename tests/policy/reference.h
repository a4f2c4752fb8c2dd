/* SPDX-License-Identifier: MIT */
/* Replacement policies of the literature, to compare with.
 *
 * They were thought for caches that see each access.  A pager sees the first
 * one after it has aged a page, and no more.  So each runs twice: as it was
 * published, and *half blind*, with the information that a pager can pay for:
 * for each miss, so many of the pages in memory are aged, those first whose
 * last sign of use is the oldest. */
#ifndef MEMD_TESTS_POLICY_REFERENCE_H
#define MEMD_TESTS_POLICY_REFERENCE_H

#include "tests/policy/trace.h"

#include <stdbool.h>

/* One policy, running.  The functions of `access` and `is_here` have its
 * state as the first argument. */
struct reference_policy {
	const char *name;
	/* Never NULL: ends the program if there is no memory. */
	void *(*start)(uint32_t page_count, uint32_t frames);
	bool (*is_here)(const void *state, uint32_t page);
	/* The page is used, and is in memory after that. */
	void (*use)(void *state, uint32_t page);
	void (*end)(void *state);
};

extern const struct reference_policy lru_reference, arc_reference,
	lirs_reference, clock2q_reference;

/* Each returns the misses of the trace with so many frames. */

/* The optimum: the page that is used last goes.  (Belady 1966) */
uint64_t reference_opt(const struct trace *t, uint32_t frames);
/* ages: pages that are aged for each miss; HUGE_VAL: it sees each access. */
uint64_t reference_run(const struct trace *t, uint32_t frames,
		       const struct reference_policy *policy, double ages);

#endif
