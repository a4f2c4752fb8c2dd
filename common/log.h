/* SPDX-License-Identifier: MIT */
/* The daemon's log: one line an event, key=value, to stderr, or to journald
 * with the keys as fields when stderr is the journal ($JOURNAL_STREAM).
 * Only programs log; libraries return errors. */
#ifndef MEMD_COMMON_LOG_H
#define MEMD_COMMON_LOG_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>

/* Values of syslog(3). */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* Show lines up to `level`.  Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* "error", "warning", "notice", "info", "debug" -> level, else -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret_level) MUST_CHECK;

/* log_event(LOG_LEVEL_INFO, "session-open", "pid=%d uid=%u", pid, uid):
 * event names are lower-case-with-dashes and stable; values that contain
 * blanks are for the caller to quote with "...". */
void log_event(enum log_level level, const char *event, const char *format,
	       ...) PRINTF_LIKE(3, 4);

/* From now on a thread writes the lines, and log_event() waits for nobody: a
 * line that finds no room, because the log is not read, is dropped.  Returns 0
 * or -errno: lines are written by their callers, as before. */
int log_writer_start(void) MUST_CHECK;

/* Wait until all is written, but no longer than that. */
void log_writer_flush(unsigned patience_ms);

/* Wait until all is written, but a second at most, and end the thread.  Where
 * it still waits for the reader it goes with the process. */
void log_writer_stop(void);

/* Lines dropped so far. */
uint64_t log_dropped_count(void);

/* Have lines been dropped, and nobody could be told yet? */
bool log_is_behind(void);

#endif
