/* SPDX-License-Identifier: MIT */
#include "daemon/admin/check_answer.h"

#include <stdarg.h>
#include <stdio.h>

enum check_answer check_answer_give(char text[CHECK_TEXT_BYTES],
				    enum check_answer answer,
				    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, CHECK_TEXT_BYTES, format, args);
	va_end(args);
	return answer;
}
