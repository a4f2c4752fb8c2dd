/* SPDX-License-Identifier: MIT */
/* A temporary folder on a disk, for swap files. */
#ifndef MEMD_BENCH_FOLDER_H
#define MEMD_BENCH_FOLDER_H

#include "common/checks.h"

enum { FOLDER_PATH_BYTES = 200 };

/* Make one in `parent`; NULL: in $TMPDIR, else in /var/tmp.  Returns 0, or -1
 * after saying why not on stderr (a tmpfs is no disk). */
int folder_make(const char *parent, char ret_path[FOLDER_PATH_BYTES])
	MUST_CHECK;

/* Remove it, and memd's swap file in it if that has been left there.  Returns
 * 0, or -1 after saying why it stays. */
int folder_remove(char path[FOLDER_PATH_BYTES]);

#endif
