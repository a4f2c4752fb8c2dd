/* SPDX-License-Identifier: MIT */
/* Staging: memory for the bytes of pages between the data file and the swap
 * store.  It is an arena of 4 KiB units that are given out in runs.  Reads and
 * writes have separate arenas, so that evictions can go on while loads wait for
 * the frames that the evictions will free. */
#ifndef MEMD_PAGER_STAGING_H
#define MEMD_PAGER_STAGING_H

#include <stdint.h>

enum { STAGING_UNITS_MAX = 4096 };	/* 16 MiB: a bitmap of 512 bytes */

struct staging {
	uint8_t *base;
	uint32_t unit_count;
	uint32_t used_count;
	uint64_t free[STAGING_UNITS_MAX / 64];
};

void staging_init(struct staging *sg, void *base, uint64_t length_bytes);

/* A part of the arena. */
struct staging_part {
	uint32_t first, end;
};

static inline struct staging_part staging_all(const struct staging *sg)
{
	return (struct staging_part){ 0, sg->unit_count };
}

/* Take a run of `least` to `most` units inside `part`.  Returns its length; 0
 * if there is no such run. */
uint32_t staging_get(struct staging *sg, struct staging_part part,
		     uint32_t least, uint32_t most, uint32_t *ret_first);
void staging_put(struct staging *sg, uint32_t first, uint32_t count);

static inline void *staging_at(const struct staging *sg, uint32_t unit)
{
	return sg->base + (uint64_t)unit * 4096;
}

/* ASSERT that used_count agrees with the bitmap. */
void staging_check(const struct staging *sg);

#endif
