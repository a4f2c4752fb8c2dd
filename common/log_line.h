/* SPDX-License-Identifier: MIT */
/* A line of the log: level and text, and how it is shown. */
#ifndef MEMD_COMMON_LOG_LINE_H
#define MEMD_COMMON_LOG_LINE_H

#include "common/checks.h"
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

/* The values of syslog(3). */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* "error", "warning", "notice", "info", "debug". */
const char *log_level_name(enum log_level level);

enum { LOG_LINE_BYTES_MAX = 2048 };

struct log_line {
	enum log_level level;
	size_t event_bytes;		/* the text begins with the event */
	size_t text_bytes;
	struct timespec when;
	char text[LOG_LINE_BYTES_MAX];	/* ends with a NUL */
};

/* Format a line with this level and the current time. */
void log_line_format(struct log_line *line, enum log_level level,
		     const char *event, const char *format, ...)
	PRINTF_LIKE(4, 5);
void log_line_vformat(struct log_line *line, enum log_level level,
		      const char *event, const char *format, va_list args)
	PRINTF_LIKE(4, 0);

/* Write the line to stderr or the journal.  Blocks until the reader takes
 * it. */
void log_line_show(const struct log_line *line);

#endif
