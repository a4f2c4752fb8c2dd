/* SPDX-License-Identifier: MIT */
/* What may lie where a setting names a file, and is none to be read: reading it
 * would wait, or not end.  For cmocka tests of whoever reads such a file. */
#ifndef MEMD_TESTS_ODD_FILE_H
#define MEMD_TESTS_ODD_FILE_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum odd_file { ODD_FIFO, ODD_FOLDER, ODD_SOCKET, ODD_DEVICE, ODD_HUGE,
		ODD_FILES };

/* What the message about it must have. */
static const char *const odd_file_words[ODD_FILES] = {
	[ODD_FIFO] = "not a regular file, but a FIFO",
	[ODD_FOLDER] = "not a regular file, but a directory",
	[ODD_SOCKET] = "not a regular file, but a socket",
	[ODD_DEVICE] = "not a regular file, but a device",
	[ODD_HUGE] = "larger than ",
};

static inline int odd_file_bind(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err = -1;

	if (fd >= 0 && strlen(path) < sizeof(sun.sun_path)) {
		memcpy(sun.sun_path, path, strlen(path));
		err = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	}
	if (fd >= 0)
		close(fd);
	return err;
}

static inline int odd_file_make_huge(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int err = fd < 0 ? -1 : ftruncate(fd, (off_t)1 << 40);

	if (fd >= 0)
		close(fd);
	return err;
}

/* Put it in the place of whatever is at `path`.  Returns 0 or -1. */
static inline int odd_file_put(enum odd_file kind, const char *path)
{
	(void)remove(path);
	switch (kind) {
	case ODD_FIFO:
		return mkfifo(path, 0600);
	case ODD_FOLDER:
		return mkdir(path, 0700);
	case ODD_SOCKET:
		return odd_file_bind(path);
	case ODD_DEVICE:
		return symlink("/dev/zero", path);
	case ODD_HUGE:
		return odd_file_make_huge(path);
	case ODD_FILES:
		break;
	}
	return -1;
}

#endif
