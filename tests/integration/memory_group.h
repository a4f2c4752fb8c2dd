/* SPDX-License-Identifier: MIT */
/* A memory cgroup with a limit, of version 1 (memory.limit_in_bytes) or 2
 * (memory.max).  Not a general cgroup library: one group, one limit. */
#ifndef MEMD_TESTS_MEMORY_GROUP_H
#define MEMD_TESTS_MEMORY_GROUP_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_group {
	char path[512];		/* empty: not made */
	char control_path[512];	/* v2: where we switched the memory controller
				 * on, and have to switch it off again */
	bool is_v2;
};

/* reason: on failure, one line: what is missing.  Returns 0, or -1; what was
 * made so far waits for memory_group_destroy(). */
int memory_group_create(struct memory_group *g, uint64_t limit_bytes,
			char *reason, size_t reason_size) MUST_CHECK;

/* Change the limit.  Returns 0 or -errno. */
int memory_group_limit(const struct memory_group *g, uint64_t limit_bytes)
	MUST_CHECK;

/* Move the calling process into the group.  Returns 0 or -errno. */
int memory_group_join(const struct memory_group *g) MUST_CHECK;

/* Nobody may be in it any more; waits a little for those who are just
 * leaving.  Returns 0, or -1 after saying why it stays behind. */
int memory_group_destroy(struct memory_group *g);

#endif
