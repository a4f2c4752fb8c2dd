/* SPDX-License-Identifier: MIT */
/* A named segment whose every page was written, so that files of its area are
 * full and come to whoever may have them. */
#ifndef MEMD_TESTS_FILES_SEGMENT_H
#define MEMD_TESTS_FILES_SEGMENT_H

#include "tests/integration/desk_client.h"
#include "tests/integration/onesided_task.h"

enum { OWNER = 54001, MEMBER = 54002, STRANGER = 54003, GROUP = 54100 };

/* The test's memd, for all users. */
void files_start_memd(void);

/* A task on the segment `name`; the model is the caller's. */
struct task files_task(const char *name);
/* Make it. */
void files_make(const struct desk_client *owner, const struct task *t,
		uint32_t mode);
/* A program: write all of it. */
void files_fill(void *task);
/* Wait until a file comes to a client that may have it. */
void files_await(struct desk_client *dc);
/* Unlink it, and leave. */
void files_drop(struct desk_client *owner, const struct task *t);

#endif
