/* SPDX-License-Identifier: MIT */
#include "common/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int descriptor_raise(int fd)
{
	int raised, error;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	raised = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	error = errno;
	syscall(SYS_close, fd);
	errno = error;
	return raised;
}

int descriptor_identify(int fd, struct descriptor_id *ret_id)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	ret_id->dev = st.st_dev;
	ret_id->ino = st.st_ino;
	return 0;
}

bool descriptor_is(int fd, const struct descriptor_id *id)
{
	struct descriptor_id now = { 0 };

	return fd >= 0 && descriptor_identify(fd, &now) == 0 &&
	       now.dev == id->dev && now.ino == id->ino;
}

void descriptor_close(int fd, const struct descriptor_id *id)
{
	if (descriptor_is(fd, id))
		syscall(SYS_close, fd);
}
