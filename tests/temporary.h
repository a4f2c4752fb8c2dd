/* SPDX-License-Identifier: MIT */
/* Where tests put what they make for a while: in $TMPDIR, which tests/run.sh
 * looks through and removes.  Without one, or where it is too long for the path
 * of a socket, in /tmp.  Where that is in memory, in /var/tmp: memd takes no
 * such folder for its swap files. */
#ifndef MEMD_TESTS_TEMPORARY_H
#define MEMD_TESTS_TEMPORARY_H

#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

enum { TEMPORARY_FOLDER_MAX = 32, TEMPORARY_BYTES = 64 };

static inline bool temporary_is_in_memory(const char *folder)
{
	struct statfs fs;

	return statfs(folder, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

/* A template for mkdtemp() or mkstemp(): NAME-XXXXXX in that folder.  Returns
 * `to`; the name has 20 bytes at most. */
static inline char *temporary_template(const char *name,
				       char to[TEMPORARY_BYTES])
{
	const char *folder = getenv("TMPDIR");

	if (folder == NULL || *folder == '\0' ||
	    strlen(folder) > TEMPORARY_FOLDER_MAX)
		folder = "/tmp";
	if (temporary_is_in_memory(folder))
		folder = "/var/tmp";
	snprintf(to, TEMPORARY_BYTES, "%.32s/%.20s-XXXXXX", folder, name);
	return to;
}

#endif
