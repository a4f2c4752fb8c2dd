/* SPDX-License-Identifier: MIT */
/* Reads a small file whole, whose name is in a setting.  Reading never blocks:
 * anything that is no regular file (a FIFO, a directory, a device) is refused,
 * and so is a file that is too large.  (/dev/null is an empty file.)  This file
 * knows nothing of the content. */
#ifndef MEMD_COMMON_TEXT_FILE_H
#define MEMD_COMMON_TEXT_FILE_H

#include "common/checks.h"
#include <stddef.h>
#include <sys/stat.h>

struct text_file {
	char *text;		/* owned; not terminated by a NUL */
	size_t length;
	struct stat st;		/* of the file that was read */
};

/* Read `path`, at most `bytes_max` bytes (some MiB).  Returns 0, -EISDIR,
 * -EINVAL (neither a file nor a directory), -EFBIG, or errors of open(2) and
 * read(2).  ret_reason then says what is wrong with the file, without its
 * path. */
int text_file_read(const char *path, size_t bytes_max,
		   struct text_file *ret_file, char *ret_reason,
		   size_t reason_size) MUST_CHECK;

/* Overwrite the text, which may be a key, and free it. */
void text_file_free(struct text_file *file);

#endif
