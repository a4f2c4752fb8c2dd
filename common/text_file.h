/* SPDX-License-Identifier: MIT */
/* Small files that somebody names in a setting, read whole.  Reading never
 * waits: what is not a regular file (a FIFO, a directory, a device) is refused,
 * and so is a file that is too large.  (/dev/null is an empty file.)  Does not
 * know what is in them. */
#ifndef MEMD_COMMON_TEXT_FILE_H
#define MEMD_COMMON_TEXT_FILE_H

#include "common/checks.h"
#include <stddef.h>
#include <sys/stat.h>

struct text_file {
	char *text;		/* owned; not ended by a NUL */
	size_t length;
	struct stat st;		/* of what was read */
};

/* Read `path` as it is now, `bytes_max` at most (some MiB).  Returns 0,
 * -EISDIR, -EINVAL (neither a file nor a directory), -EFBIG, or open(2)'s and
 * read(2)'s errors, with what is wrong with the file in ret_reason, without its
 * path. */
int text_file_read(const char *path, size_t bytes_max,
		   struct text_file *ret_file, char *ret_reason,
		   size_t reason_size) MUST_CHECK;

/* Wipes the text, which may be a key, and frees it. */
void text_file_free(struct text_file *file);

#endif
