/* SPDX-License-Identifier: MIT */
/* See folder.h. */
#include "tests/bench/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS_MAGIC_NUMBER 0x01021994	/* statfs(2) */

int folder_make(const char *parent, char ret_path[FOLDER_PATH_BYTES])
{
	char path[FOLDER_PATH_BYTES];
	struct statfs fs;

	if (parent == NULL)
		parent = getenv("TMPDIR");
	if (parent == NULL || *parent == '\0')
		parent = "/var/tmp";
	if (statfs(parent, &fs) == 0 && fs.f_type == TMPFS_MAGIC_NUMBER) {
		fprintf(stderr, "paging: %s is a tmpfs: choose a folder on a "
			"disk with --dir\n", parent);
		return -1;
	}
	if ((size_t)snprintf(path, sizeof(path), "%s/memd-bench-XXXXXX",
			     parent) >= sizeof(path)) {
		fprintf(stderr, "paging: %s: the path is too long\n", parent);
		return -1;
	}
	if (mkdtemp(path) == NULL) {
		perror(parent);
		return -1;
	}
	memcpy(ret_path, path, sizeof(path));
	return 0;
}

/* memd removes its swap file itself, unless it had a bad end. */
int folder_remove(char path[FOLDER_PATH_BYTES])
{
	char file[FOLDER_PATH_BYTES + 16];
	int result = 0;

	if (path[0] == '\0')
		return 0;
	snprintf(file, sizeof(file), "%s/memd.swap", path);
	(void)unlink(file);
	if (rmdir(path) != 0) {
		perror(path);
		result = -1;
	}
	path[0] = '\0';
	return result;
}
