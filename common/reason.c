/* SPDX-License-Identifier: MIT */
#include "common/reason.h"

#include <stdarg.h>

int reason_give(const struct reason *reason, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason->text, reason->size, format, args);
	va_end(args);
	return err;
}
