/* SPDX-License-Identifier: MIT */
/* The answer to one question of `memd --check`, with a line of text. */
#ifndef MEMD_ADMIN_CHECK_ANSWER_H
#define MEMD_ADMIN_CHECK_ANSWER_H

#include "common/checks.h"

enum { CHECK_TEXT_BYTES = 1024 };

enum check_answer { ANSWER_OK, ANSWER_WARN, ANSWER_FAIL };

/* Write the line.  Returns `answer`. */
enum check_answer check_answer_give(char text[CHECK_TEXT_BYTES],
				    enum check_answer answer,
				    const char *format, ...) PRINTF_LIKE(3, 4);

#endif
