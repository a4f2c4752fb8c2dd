/* SPDX-License-Identifier: MIT */
/* Decides which lines are shown.  log_line.c formats and shows a line.  The
 * thread of log_writer.c waits for the reader of the log; if it was not
 * started, the caller does. */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

static atomic_int shown_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&shown_level, (int)level, memory_order_relaxed);
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(text, log_level_name((enum log_level)i)) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_event(enum log_level level, const char *event, const char *format,
	       ...)
{
	int saved_errno = errno;
	struct log_line line;
	va_list args;

	ASSERT(level >= LOG_LEVEL_ERROR && level <= LOG_LEVEL_DEBUG);
	if ((int)level > atomic_load_explicit(&shown_level,
					      memory_order_relaxed))
		return;
	va_start(args, format);
	log_line_vformat(&line, level, event, format, args);
	va_end(args);
	if (!log_writer_put(&line))
		log_line_show(&line);
	errno = saved_errno;
}
