/* SPDX-License-Identifier: MIT */
/* The kernel's own swap, under the limit of a memory cgroup: what memd is
 * measured against.  The cgroup and the swap areas are made, and taken away
 * again, by run.sh; here they are only used. */
#ifndef MEMD_BENCH_KERNEL_SWAP_H
#define MEMD_BENCH_KERNEL_SWAP_H

#include "common/checks.h"

/* Switch the area on, at the highest priority, so that swap the machine has
 * already stays out, and set vm.page-cluster.  0, or -errno: it is off. */
int kernel_swap_begin(const char *area, const char *cluster) MUST_CHECK;

/* Switch it off again.  Nobody's pages should be in it.  0 or -errno. */
int kernel_swap_end(const char *area) MUST_CHECK;

/* Move the calling process into the cgroup.  0 or -errno. */
int kernel_swap_join(const char *group) MUST_CHECK;

#endif
