/* SPDX-License-Identifier: MIT */
/* Private to swapdir.c: files without a name in a folder.  They are opened for
 * reading and writing, close-on-exec, with mode 0600. */
#ifndef MEMD_SWAPSTORE_SWAPDIR_FILE_H
#define MEMD_SWAPSTORE_SWAPDIR_FILE_H

#include "common/checks.h"
#include <stdbool.h>

/* With O_TMPFILE.  Returns a descriptor or -errno. */
int swapdir_file_open(int folder) MUST_CHECK;
/* True if `err` of swapdir_file_open() means that there is no O_TMPFILE. */
bool swapdir_file_needs_name(int err);
/* Make a file with a name, and remove the name.  Returns a descriptor or
 * -errno; -EBUSY: somebody has moved or linked the file meanwhile. */
int swapdir_file_open_named(int folder) MUST_CHECK;

/* On a file system that writes copies (btrfs), allocated blocks are given away
 * with the first write, and the next write finds no room on a full disk.  This
 * can be switched off only for an empty file.  Returns whether it is off. */
bool swapdir_file_avoid_copies(int fd);

#endif
