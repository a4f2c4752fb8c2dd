/* SPDX-License-Identifier: MIT */
/* What the system lets memd have, against what these settings need: memory,
 * tasks, descriptors.  Each function answers one question, in words for the
 * line that `memd --check`, the log or `memctl status` shows. */
#ifndef MEMD_ADMIN_LIMITS_H
#define MEMD_ADMIN_LIMITS_H

#include "daemon/admin/check_answer.h"
#include "daemon/config/config.h"

/* Memory: pool, buffers and tables against the machine and memory.max. */
enum check_answer limits_check_memory(const struct config *config,
				      char ret_text[CHECK_TEXT_BYTES]);

/* The same against memory.high, above which the kernel makes memd slow. */
enum check_answer limits_check_memory_high(const struct config *config,
					   char ret_text[CHECK_TEXT_BYTES]);

/* Tasks: helper processes and threads against pids.max and RLIMIT_NPROC. */
enum check_answer limits_check_tasks(const struct config *config,
				     char ret_text[CHECK_TEXT_BYTES]);

/* Descriptors against RLIMIT_NOFILE.  FAIL: too few to serve anybody. */
enum check_answer limits_check_descriptors(const struct config *config,
					   char ret_text[CHECK_TEXT_BYTES]);

#endif
