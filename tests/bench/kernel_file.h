/* SPDX-License-Identifier: MIT */
/* The small text files of /proc, /sys and cgroups: one value written, one value
 * read. */
#ifndef MEMD_BENCH_KERNEL_FILE_H
#define MEMD_BENCH_KERNEL_FILE_H

#include "common/checks.h"
#include <stdbool.h>

/* Write text to folder/name.  Returns 0 or -errno. */
int kernel_file_write(const char *folder, const char *name, const char *text)
	MUST_CHECK;

/* The number in folder/name, or -1. */
long kernel_file_number(const char *folder, const char *name);

/* Is `word` one of the blank-separated words of folder/name? */
bool kernel_file_has_word(const char *folder, const char *name,
			  const char *word);

#endif
