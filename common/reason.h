/* SPDX-License-Identifier: MIT */
/* A buffer for the reason of an error, in one line, for the caller. */
#ifndef MEMD_COMMON_REASON_H
#define MEMD_COMMON_REASON_H

#include "common/checks.h"

struct reason {
	char *text;
	size_t size;
};

/* Write the reason.  Returns `err`. */
int reason_give(const struct reason *reason, int err, const char *format, ...)
	PRINTF_LIKE(3, 4);

#endif
