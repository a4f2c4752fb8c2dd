/* SPDX-License-Identifier: MIT */
/* Who else may write to the folder does not matter:
 *
 * - With O_TMPFILE a file never has a name (and O_EXCL forbids to give it one
 *   later), so nobody can reach it through the folder.
 * - Without O_TMPFILE it has a random name for a moment, with mode 0600.
 *   Another user who may write to the folder can move or link that name in that
 *   moment, but not open the file.  It is used only if it has no name left, so
 *   nobody keeps its space.  At most unlinkat() removes a file that this user
 *   put in its place. */
#include "swapstore/swapdir_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_TRIES = 16, NAME_BYTES = 32 };

int swapdir_file_open(int folder)
{
	int fd = openat(folder, ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC,
			0600);

	return fd < 0 ? -errno : fd;
}

/* A kernel or file system that does not know the flag sees a folder that is to
 * be opened for writing. */
bool swapdir_file_needs_name(int err)
{
	return err == -EOPNOTSUPP || err == -EISDIR || err == -EINVAL;
}

static int make_named(int folder, char name[NAME_BYTES])
{
	int fd = -1;

	errno = EEXIST;
	for (int i = 0; i < NAME_TRIES && fd < 0 && errno == EEXIST; i++) {
		uint64_t luck;

		if (getrandom(&luck, sizeof(luck), 0) != sizeof(luck))
			return -EIO;
		snprintf(name, NAME_BYTES, ".memd-%016llx",
			 (unsigned long long)luck);
		fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL |
			    O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	return fd < 0 ? -errno : fd;
}

int swapdir_file_open_named(int folder)
{
	char name[NAME_BYTES];
	struct stat st;
	int err, fd = make_named(folder, name);

	if (fd < 0)
		return fd;
	err = unlinkat(folder, name, 0) != 0 && errno != ENOENT ? -errno : 0;
	if (err == 0)
		err = fstat(fd, &st) != 0 ? -errno :
		      st.st_nlink != 0 ? -EBUSY : 0;
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

bool swapdir_file_avoid_copies(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
		return false;
	flags |= FS_NOCOW_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}
