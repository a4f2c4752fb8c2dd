/* SPDX-License-Identifier: MIT */
/* The Levenshtein distance, one row at a time. */
#include "common/spelling.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

unsigned spelling_distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len >= ARRAY_SIZE(row) || b_len >= ARRAY_SIZE(row))
		return UINT_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = MIN(change, 1 + MIN(row[j], row[j - 1]));
		}
	}
	return row[b_len];
}
