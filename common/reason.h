/* SPDX-License-Identifier: MIT */
/* Where a function that failed says why, in one line, for its caller. */
#ifndef MEMD_COMMON_REASON_H
#define MEMD_COMMON_REASON_H

#include "common/checks.h"

struct reason {
	char *text;
	size_t size;
};

/* Returns `err`. */
int reason_give(const struct reason *reason, int err, const char *format, ...)
	PRINTF_LIKE(3, 4);

#endif
