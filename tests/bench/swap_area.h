/* SPDX-License-Identifier: MIT */
/* An area the kernel can swap to: a file, or a compressed disk in memory
 * (zram).  Made once, switched on and off as often as needed; only one of ours
 * is on at a time, at the highest priority, so that swap the machine has
 * already stays out. */
#ifndef MEMD_BENCH_SWAP_AREA_H
#define MEMD_BENCH_SWAP_AREA_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct swap_area {
	char path[256];		/* empty: not made */
	bool is_zram;		/* made, perhaps not set up: no path then */
	long zram_idx;		/* of /dev/zram… */
	bool is_on;
};

/* reason: on failure, one line: what is missing.  Both return 0, or -1; what
 * was made so far waits for swap_area_destroy(). */
int swap_area_create_file(struct swap_area *a, const char *path,
			  uint64_t bytes, char *reason, size_t reason_size)
	MUST_CHECK;
int swap_area_create_zram(struct swap_area *a, uint64_t bytes, char *reason,
			  size_t reason_size) MUST_CHECK;

/* Return 0 or -errno. */
int swap_area_switch_on(struct swap_area *a) MUST_CHECK;
int swap_area_switch_off(struct swap_area *a) MUST_CHECK;

/* Switch off and take away.  Returns 0, or -1 after saying what stays. */
int swap_area_destroy(struct swap_area *a);

#endif
