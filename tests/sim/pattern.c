/* SPDX-License-Identifier: MIT */
/* Values and their expansions.
 *
 * bits 62-63 kind (so a value is never 0), 50-61 segment, 32-49 unit,
 * 0-31 version. */
#include "tests/sim/pattern.h"

#include <stdio.h>
#include <string.h>

enum { WORDS = PATTERN_BYTES / 8 };

#define STRIDE UINT64_C(0x9e3779b97f4a7c15)

uint64_t pattern_value(enum pattern_kind kind, uint32_t segment,
		       uint64_t unit, uint32_t version)
{
	return (uint64_t)kind << 62 |
	       (uint64_t)(segment % PATTERN_SEGMENTS) << 50 |
	       unit % PATTERN_UNITS << 32 | version;
}

uint32_t pattern_segment(uint64_t value)
{
	return (uint32_t)(value >> 50) % PATTERN_SEGMENTS;
}

uint64_t pattern_unit(uint64_t value)
{
	return (value >> 32) % PATTERN_UNITS;
}

static enum pattern_kind kind_of(uint64_t value)
{
	return (enum pattern_kind)(value >> 62);
}

/* Where the one word of a sparse pattern stands. */
static unsigned sparse_place(uint64_t value)
{
	return kind_of(value) == PATTERN_LAST ? WORDS - 1 :
						(unsigned)(value % WORDS);
}

void pattern_expand(uint64_t value, void *to)
{
	uint64_t *word = to;

	if (kind_of(value) == PATTERN_DENSE) {
		for (unsigned i = 0; i < WORDS; i++)
			word[i] = value + i * STRIDE;
		return;
	}
	memset(word, 0, PATTERN_BYTES);
	if (value != 0)
		word[sparse_place(value)] = value;
}

static bool is_dense(const uint64_t *word)
{
	uint64_t differs = 0;

	for (unsigned i = 0; i < WORDS; i++)
		differs |= word[i] ^ (word[0] + i * STRIDE);
	return differs == 0;
}

bool pattern_parse(const void *bytes, uint64_t *ret_value)
{
	const uint64_t *word = bytes;
	uint64_t any = 0;
	unsigned place = 0;

	if (kind_of(word[0]) == PATTERN_DENSE) {
		*ret_value = word[0];
		return is_dense(word);
	}
	while (place < WORDS && word[place] == 0)
		place++;
	*ret_value = place < WORDS ? word[place] : 0;
	if (place == WORDS)
		return true;
	if (kind_of(*ret_value) == PATTERN_DENSE ||
	    kind_of(*ret_value) == 0 || sparse_place(*ret_value) != place)
		return false;
	for (unsigned i = place + 1; i < WORDS; i++)
		any |= word[i];
	return any == 0;
}

const char *pattern_describe(uint64_t value, char *buf, size_t buf_size)
{
	static const char *const name[] = { "?", "dense", "sparse", "last" };

	if (value == 0)
		snprintf(buf, buf_size, "zeros");
	else
		snprintf(buf, buf_size, "s%u unit %llu v%u (%s)",
			 (unsigned)pattern_segment(value),
			 (unsigned long long)pattern_unit(value),
			 (unsigned)(uint32_t)value, name[kind_of(value)]);
	return buf;
}
