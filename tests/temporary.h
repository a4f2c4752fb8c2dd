/* SPDX-License-Identifier: MIT */
/* Where tests put what they make for a while: in $TMPDIR, which tests/run.sh
 * looks through and removes.  Without one, or where it is too long for the path
 * of a socket, in /tmp. */
#ifndef MEMD_TESTS_TEMPORARY_H
#define MEMD_TESTS_TEMPORARY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEMPORARY_FOLDER_MAX = 32, TEMPORARY_BYTES = 64 };

/* A template for mkdtemp() or mkstemp(): NAME-XXXXXX in that folder.  Returns
 * `to`; the name has 20 bytes at most. */
static inline char *temporary_template(const char *name,
				       char to[TEMPORARY_BYTES])
{
	const char *folder = getenv("TMPDIR");

	if (folder == NULL || *folder == '\0' ||
	    strlen(folder) > TEMPORARY_FOLDER_MAX)
		folder = "/tmp";
	snprintf(to, TEMPORARY_BYTES, "%.32s/%.20s-XXXXXX", folder, name);
	return to;
}

#endif
