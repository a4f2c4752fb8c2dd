/* SPDX-License-Identifier: MIT */
/* Runs of bits.  Searches step over whole words. */
#include "common/bitmap.h"

void bitmap_set_run(uint64_t *map, size_t first, size_t count)
{
	for (size_t bit = first; bit < first + count; bit++)
		bitmap_set(map, bit);
}

void bitmap_clear_run(uint64_t *map, size_t first, size_t count)
{
	for (size_t bit = first; bit < first + count; bit++)
		bitmap_clear(map, bit);
}

size_t bitmap_count(const uint64_t *map, size_t bits)
{
	size_t count = 0;

	for (size_t word = 0; word < bits / 64; word++)
		count += (size_t)__builtin_popcountll(map[word]);
	if (bits % 64 != 0) {
		uint64_t mask = (UINT64_C(1) << (bits % 64)) - 1;

		count += (size_t)__builtin_popcountll(map[bits / 64] & mask);
	}
	return count;
}

/* The first bit at or after `bit` whose value is `set`; `bits` if there is
 * none. */
static size_t bitmap_find_next(const uint64_t *map, size_t bits, size_t bit,
			       bool set)
{
	while (bit < bits) {
		uint64_t word = set ? map[bit / 64] : ~map[bit / 64];

		word &= ~UINT64_C(0) << (bit % 64);
		if (word != 0) {
			size_t at = bit / 64 * 64 +
				    (size_t)__builtin_ctzll(word);

			return at < bits ? at : bits;
		}
		bit = (bit / 64 + 1) * 64;
	}
	return bits;
}

size_t bitmap_find_run(const uint64_t *map, size_t bits, size_t from,
		       size_t count, size_t *ret_first)
{
	size_t best = 0, at = from;

	while (at < bits && best < count) {
		size_t first = bitmap_find_next(map, bits, at, true);
		size_t limit = bits - first < count ? bits : first + count;
		size_t end = bitmap_find_next(map, limit, first, false);

		if (end - first > best) {
			best = end - first;
			*ret_first = first;
		}
		at = end + 1;
	}
	return best;
}
