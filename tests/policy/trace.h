/* SPDX-License-Identifier: MIT */
/* Traces of page accesses, made from a seed. */
#ifndef MEMD_TESTS_POLICY_TRACE_H
#define MEMD_TESTS_POLICY_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct trace {
	const char *name;
	uint32_t *page;		/* owned; of each access, < page_count */
	size_t count;
	uint32_t page_count;
};

enum { TRACES = 8 };

/* Make trace `number`.  Ends the program if there is no memory. */
void trace_init(struct trace *t, unsigned number, uint64_t seed);
void trace_fini(struct trace *t);

#endif
