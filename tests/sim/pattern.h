/* SPDX-License-Identifier: MIT */
/* What a 4 KiB unit may contain in the simulator: the expansion of one 64-bit
 * value, which names the unit and the write that it comes from.  So the model
 * keeps eight bytes a unit, yet every byte is looked at whenever a unit moves,
 * and wrong bytes say where they belong.  0 expands to zeros. */
#ifndef MEMD_TESTS_SIM_PATTERN_H
#define MEMD_TESTS_SIM_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATTERN_BYTES = 4096 };

enum pattern_kind {
	PATTERN_DENSE = 1,	/* every word differs */
	PATTERN_SPARSE = 2,	/* zeros but for one word somewhere */
	PATTERN_LAST = 3,	/* zeros but for the last word */
};

enum { PATTERN_SEGMENTS = 1 << 12, PATTERN_UNITS = 1 << 18 };

uint64_t pattern_value(enum pattern_kind kind, uint32_t segment,
		       uint64_t unit, uint32_t version);
uint32_t pattern_segment(uint64_t value);
uint64_t pattern_unit(uint64_t value);

void pattern_expand(uint64_t value, void *to);

/* Look at all 4096 bytes.  False: they are no value's expansion. */
bool pattern_parse(const void *bytes, uint64_t *ret_value);

/* "zeros", "s3 unit 17 v92": for messages.  Returns buf. */
const char *pattern_describe(uint64_t value, char *buf, size_t buf_size);

#endif
