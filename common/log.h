/* SPDX-License-Identifier: MIT */
/* The daemon's log: one line for each event, with key=value pairs, on stderr.
 * If stderr is the journal ($JOURNAL_STREAM), lines go to journald, with the
 * keys as fields.  Only programs log; libraries return errors. */
#ifndef MEMD_COMMON_LOG_H
#define MEMD_COMMON_LOG_H

#include "common/checks.h"
#include "common/log_line.h"
#include "common/log_writer.h"

/* Show lines up to `level`.  The default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* Parse "error", "warning", "notice", "info" or "debug".  0, or -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret_level) MUST_CHECK;

/* Log an event: log_event(LOG_LEVEL_INFO, "session-open", "pid=%d uid=%u", pid,
 * uid).  Event names are lower-case-with-dashes, and stable.  The caller must
 * quote values that contain blanks with "...". */
void log_event(enum log_level level, const char *event, const char *format,
	       ...) PRINTF_LIKE(3, 4);

#endif
