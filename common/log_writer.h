/* SPDX-License-Identifier: MIT */
/* The log writer: a thread that writes the log, so that no other thread waits
 * for the reader of the log (a full pipe, a stopped journal, a held
 * terminal). */
#ifndef MEMD_COMMON_LOG_WRITER_H
#define MEMD_COMMON_LOG_WRITER_H

#include "common/checks.h"
#include "common/log_line.h"
#include <stdbool.h>
#include <stdint.h>

/* Give the line to the writer, which may drop and count it.  False: there is no
 * writer. */
bool log_writer_put(const struct log_line *line);

/* Start the writer.  From then on log_event() does not block: a line that finds
 * no room, because the log is not read, is dropped.  Returns 0, or -errno;
 * callers then write their lines, as before. */
int log_writer_start(void) MUST_CHECK;

/* Wait until all lines are written, at most patience_ms. */
void log_writer_flush(unsigned patience_ms);

/* Wait until all lines are written, at most a second, and end the thread.  If
 * the thread still waits for the reader, it ends with the process. */
void log_writer_stop(void);

/* The number of lines dropped so far. */
uint64_t log_dropped_count(void);

/* True if lines were dropped and no line in the log says so yet. */
bool log_is_behind(void);

#endif
