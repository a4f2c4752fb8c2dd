/* SPDX-License-Identifier: MIT */
/* The thread that writes the log, so that nobody else waits for who reads it:
 * a pipe that is full, a journal that has stopped, a terminal that is held. */
#ifndef MEMD_COMMON_LOG_WRITER_H
#define MEMD_COMMON_LOG_WRITER_H

#include "common/checks.h"
#include "common/log_line.h"
#include <stdbool.h>
#include <stdint.h>

/* Leave it to the writer, or count it as dropped.  Returns false when there is
 * no writer. */
bool log_writer_put(const struct log_line *line);

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
