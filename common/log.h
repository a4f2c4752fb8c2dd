/* SPDX-License-Identifier: MIT */
/* The daemon's log: one line an event, key=value, to stderr, or to journald
 * with the keys as fields when stderr is the journal ($JOURNAL_STREAM).
 * Only programs log; libraries return errors. */
#ifndef MEMD_COMMON_LOG_H
#define MEMD_COMMON_LOG_H

#include "common/checks.h"
#include "common/log_line.h"
#include "common/log_writer.h"

/* Show lines up to `level`.  Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* "error", "warning", "notice", "info", "debug" -> level, else -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret_level) MUST_CHECK;

/* log_event(LOG_LEVEL_INFO, "session-open", "pid=%d uid=%u", pid, uid):
 * event names are lower-case-with-dashes and stable; values that contain
 * blanks are for the caller to quote with "...". */
void log_event(enum log_level level, const char *event, const char *format,
	       ...) PRINTF_LIKE(3, 4);

#endif
