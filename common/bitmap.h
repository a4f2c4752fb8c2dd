/* SPDX-License-Identifier: MIT */
/* Bits in an array of 64-bit words, with a search for runs of set bits.  The
 * caller owns the array, so it may be in shared or sparse memory. */
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

/* The number of set bits in [0, bits). */
size_t bitmap_count(const uint64_t *map, size_t bits);

/* Find the first run of `count` set bits inside [from, bits), or, if there is
 * none, the longest run there.  Returns its length (0: no bit is set), and
 * its start in *ret_first. */
size_t bitmap_find_run(const uint64_t *map, size_t bits, size_t from,
		       size_t count, size_t *ret_first);

#endif
