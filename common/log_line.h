/* SPDX-License-Identifier: MIT */
/* A finished line, between log.c, which makes and shows it, and log_writer.c,
 * which keeps it until it can be shown. */
#ifndef MEMD_COMMON_LOG_LINE_H
#define MEMD_COMMON_LOG_LINE_H

#include "common/log.h"
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum { LOG_LINE_BYTES_MAX = 2048 };

struct log_line {
	enum log_level level;
	size_t event_bytes;		/* the text begins with the event */
	size_t text_bytes;
	struct timespec when;
	char text[LOG_LINE_BYTES_MAX];	/* ends with a NUL */
};

/* Make one of `level`, of now. */
void log_line_format(struct log_line *line, enum log_level level,
		     const char *event, const char *format, ...)
	PRINTF_LIKE(4, 5);

/* Write it where stderr goes.  Waits for whoever reads there. */
void log_line_show(const struct log_line *line);

/* Leave it to the writer, or count it as dropped.  Returns false when there is
 * no writer. */
bool log_writer_put(const struct log_line *line);

#endif
