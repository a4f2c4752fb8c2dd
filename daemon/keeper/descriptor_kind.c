/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/descriptor_kind.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Whether it has been through UFFDIO_API and is non-blocking.  poll() reports
 * POLLERR on a userfaultfd otherwise. */
static bool is_ready_userfaultfd(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 0;
}

/* Reads the name in /proc: any other query could ask a file system that the
 * client serves.  No file can have these names, because a path begins with a
 * slash. */
enum descriptor_kind descriptor_kind_of(int fd)
{
	static const char uffd[] = "anon_inode:[userfaultfd]";
	static const char pipe[] = "pipe:[";
	char path[64], target[sizeof(uffd)];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, target, sizeof(target));
	if (length == sizeof(uffd) - 1 &&
	    memcmp(target, uffd, sizeof(uffd) - 1) == 0 &&
	    is_ready_userfaultfd(fd))
		return IS_USERFAULTFD;
	if (length > (ssize_t)sizeof(pipe) &&
	    memcmp(target, pipe, sizeof(pipe) - 1) == 0)
		return IS_PIPE;
	return IS_FOREIGN;
}
