/* SPDX-License-Identifier: MIT */
/* The kernel's own swap, under the limit of a memory cgroup: what memd is
 * measured against.  In variants: to a file, with two settings of
 * vm.page-cluster, and to zram.
 *
 * All of it is temporary; all of it is machine-wide and needs root, so
 * everything made or set here is taken away and set back by
 * kernel_swap_destroy(), also when it was only half made. */
#ifndef MEMD_BENCH_KERNEL_SWAP_H
#define MEMD_BENCH_KERNEL_SWAP_H

#include "common/checks.h"
#include "tests/bench/memory_group.h"
#include "tests/bench/swap_area.h"

enum swap_variant {
	SWAP_FILE_CLUSTER_0,	/* one page a read */
	SWAP_FILE_CLUSTER_3,	/* up to eight: the kernel's default */
	SWAP_ZRAM,
	SWAP_VARIANTS
};

enum { SWAP_REASON_BYTES = 512 };

struct kernel_swap {
	struct memory_group group;
	struct swap_area file, zram;
	bool has_saved_cluster;	/* changed by us */
	long saved_cluster;	/* vm.page-cluster as we found it */
	/* Why a variant cannot be used; empty: it can. */
	char reason[SWAP_VARIANTS][SWAP_REASON_BYTES];
};

/* Make the group with its limit, and whichever areas are wanted and can be
 * had; nothing is switched on yet.  What cannot be had has a reason.
 *
 * folder  where the swap file goes; not on tmpfs. */
void kernel_swap_create(struct kernel_swap *ks, const char *folder,
			uint64_t limit_bytes, uint64_t swap_bytes,
			const bool wanted[SWAP_VARIANTS]);

/* Switch a variant on.  0, or -errno: nothing is on. */
int kernel_swap_begin(struct kernel_swap *ks, enum swap_variant variant)
	MUST_CHECK;

/* Switch it off again.  Nobody's pages should be in it.  0 or -errno. */
int kernel_swap_end(struct kernel_swap *ks) MUST_CHECK;

/* Take everything away.  Nobody may be in the group any more.  Returns 0, or
 * -1 when something stays behind, after saying what. */
int kernel_swap_destroy(struct kernel_swap *ks);

#endif
