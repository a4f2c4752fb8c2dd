/* SPDX-License-Identifier: MIT */
/* A memory cgroup with a limit, and a swap file of the kernel's own: what memd
 * is measured against.  Both are temporary; both are machine-wide things that
 * need root, so everything made here is taken away by kernel_swap_destroy(),
 * also when it was only half made.
 *
 * cgroup version 1 (memory.limit_in_bytes) and 2 (memory.max). */
#ifndef MEMD_BENCH_KERNEL_SWAP_H
#define MEMD_BENCH_KERNEL_SWAP_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_swap {
	char swap_path[256];	/* empty: not made */
	char group_path[512];	/* empty: not made */
	char control_path[512];	/* v2: where we switched the memory controller
				 * on, and have to switch it off again */
	bool is_v2;
	bool is_swapping;
};

/* Make the group with its limit and switch the swap file on.
 *
 * folder  where the swap file goes; not on tmpfs.
 * reason  on failure, one line: what is missing.
 *
 * Returns 0, or -1 with nothing left behind. */
int kernel_swap_create(struct kernel_swap *ks, const char *folder,
		       uint64_t limit_bytes, uint64_t swap_bytes,
		       char *reason, size_t reason_size) MUST_CHECK;

/* Move the calling process into the group.  Returns 0 or -errno. */
int kernel_swap_join(const struct kernel_swap *ks) MUST_CHECK;

/* Swap off, delete the file, remove the group.  Nobody may be in it any more.
 * Returns 0, or -1 when something stays behind, after saying what. */
int kernel_swap_destroy(struct kernel_swap *ks);

#endif
