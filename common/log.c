/* SPDX-License-Identifier: MIT */
/* Which lines are shown.  What is worth a line is for the callers; how it looks
 * and where it goes is log_line.c's; who waits for the reader of the log is
 * log_writer.c's thread, or, where that was not started, the caller. */
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
