/* SPDX-License-Identifier: MIT */
/* The policies of memd, run on a trace of page accesses. */
#ifndef MEMD_TESTS_POLICY_SUBJECT_H
#define MEMD_TESTS_POLICY_SUBJECT_H

#include "tests/policy/trace.h"

struct subject_result {
	uint64_t misses;
	uint64_t aged;		/* pages unmapped to see if they are used */
	uint64_t touched;	/* faults on pages that were there */
};

/* Nobody sees an access to a mapped page, as in life.  Checks the policy's
 * state now and then. */
struct subject_result subject_run(const struct trace *t, uint32_t frames,
				 const char *policy);

#endif
