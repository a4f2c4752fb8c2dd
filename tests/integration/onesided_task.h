/* SPDX-License-Identifier: MIT */
/* What the tests of one-sided faults have in common: their memd, and what they
 * tell programs to do. */
#ifndef MEMD_TESTS_ONESIDED_TASK_H
#define MEMD_TESTS_ONESIDED_TASK_H

#include "tests/integration/onesided_program.h"

/* The pool is a quarter of the memory.  A shared segment of so much has swap
 * files of its own. */
enum {
	UNITS = 8192,
	BYTES = UNITS * UNIT_BYTES,
	ENOUGH = 500,		/* one-sided faults */
};

extern struct testmemd memd;

/* Start it.  NULL: no flag more. */
void start(const char *flag, const char *another);
uint64_t counter(const char *name);
/* What is lent counts as free, and comes back when the kernel has taken the
 * program's memory apart: later than its segments. */
void await_nothing_lent(void);
/* Nobody has any memory any more: all is back. */
void expect_nothing_left(void);
/* The same, and it stops. */
void stop(void);

/* What a program is told to do. */
struct task {
	struct model *model;
	const char *name;	/* of a segment; NULL: private */
	uint32_t fault_mode;
	unsigned threads;
	bool is_one_sided;
	uint64_t seed;
	atomic_uint *go;
	struct journal_unit *journal;
};

/* All units, with a model. */
struct crew crew_of(const struct task *t, uint8_t *area);
uint8_t *area_of(const struct task *t, struct memclient *mc);

/* Programs. */
void make_segment(void *task);
void unlink_segment(void *task);

#endif
