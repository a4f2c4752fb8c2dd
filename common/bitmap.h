/* SPDX-License-Identifier: MIT */
/* Bits in an array of 64-bit words that the caller owns (so that it may lie
 * in shared or sparse memory), with a search for runs of clear bits. */
#ifndef MEMD_COMMON_BITMAP_H
#define MEMD_COMMON_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITMAP_WORDS(bits)	(((bits) + 63) / 64)

static inline bool bitmap_test(const uint64_t *map, size_t bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

static inline void bitmap_set(uint64_t *map, size_t bit)
{
	map[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static inline void bitmap_clear(uint64_t *map, size_t bit)
{
	map[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

/* Set or clear bits [first, first + count). */
void bitmap_set_run(uint64_t *map, size_t first, size_t count);
void bitmap_clear_run(uint64_t *map, size_t first, size_t count);

/* How many bits of [0, bits) are set. */
size_t bitmap_count(const uint64_t *map, size_t bits);

/* The first run of `count` clear bits inside [from, bits), or, where there is
 * none that long, the longest run found there.  Returns the run's length
 * (0 when every bit is set) and its start in *ret_first. */
size_t bitmap_find_clear_run(const uint64_t *map, size_t bits, size_t from,
			     size_t count, size_t *ret_first);

#endif
