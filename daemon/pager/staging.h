/* SPDX-License-Identifier: MIT */
/* Staging memory: where page bytes stand between the data file and the swap
 * store.  An arena of 4 KiB units handed out in runs.  Reads and writes have
 * an arena each, so that evictions can always go on while loads wait for the
 * frames they will free. */
#ifndef MEMD_PAGER_STAGING_H
#define MEMD_PAGER_STAGING_H

#include <stdint.h>

enum { STAGING_UNITS_MAX = 4096 };	/* 16 MiB: a bitmap of 512 bytes */

struct staging {
	uint8_t *base;
	uint32_t unit_count;
	uint32_t used_count;
	uint64_t used[STAGING_UNITS_MAX / 64];
};

void staging_init(struct staging *sg, void *base, uint64_t length_bytes);

/* Where in the arena. */
struct staging_part {
	uint32_t first, end;
};

static inline struct staging_part staging_all(const struct staging *sg)
{
	return (struct staging_part){ 0, sg->unit_count };
}

/* Take a run of at least `least` and at most `most` units inside of `part`.
 * Returns its length, 0 when there is none that long. */
uint32_t staging_get(struct staging *sg, struct staging_part part,
		     uint32_t least, uint32_t most, uint32_t *ret_first);
void staging_put(struct staging *sg, uint32_t first, uint32_t count);

static inline void *staging_at(const struct staging *sg, uint32_t unit)
{
	return sg->base + (uint64_t)unit * 4096;
}

/* ASSERTs that used_count is what the bitmap says. */
void staging_check(const struct staging *sg);

#endif
