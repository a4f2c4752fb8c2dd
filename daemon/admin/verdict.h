/* SPDX-License-Identifier: MIT */
/* The verdict of `memctl status`: one word, and for each problem one line that
 * says what is wrong and what to do. */
#ifndef MEMD_ADMIN_VERDICT_H
#define MEMD_ADMIN_VERDICT_H

#include "common/checks.h"

struct admin;

enum verdict_level { VERDICT_OK, VERDICT_WARN, VERDICT_DEGRADED };

enum { VERDICT_REASONS_MAX = 44, VERDICT_REASON_BYTES = 512 };

struct verdict {
	enum verdict_level level;
	size_t reason_count;
	char reason[VERDICT_REASONS_MAX][VERDICT_REASON_BYTES];
};

void verdict_get(const struct admin *ad, struct verdict *ret_verdict);
const char *verdict_name(enum verdict_level level);

#endif
