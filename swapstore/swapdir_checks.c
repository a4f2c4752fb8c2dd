/* SPDX-License-Identifier: MIT */
/* The reasons to refuse a folder, or a file in it, and their texts.  Nothing
 * here changes a file.
 *
 * Who owns the folder matters: its owner can put another file system in its
 * place, and on one of FUSE reads every page.  For the same reason a FUSE file
 * system that an ordinary user can have mounted is refused: fusermount mounts
 * for whoever may write to a folder, and always with nosuid and nodev. */
#include "swapstore/swapdir_checks.h"

#include "common/units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Write "path: ..." as the reason.  Returns `err`. */
PRINTF_LIKE(3, 4)
static int refuse(const struct swapdir_attempt *at, int err,
		  const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return reason_give(&at->reason, err, "%s: %s", at->path, text);
}

int swapdir_refuse_call(const struct swapdir_attempt *at, int err,
			const char *what)
{
	return refuse(at, err, "%s: %s; choose another swap_dir", what,
		      strerror(-err));
}

/* What file systems say of a folder that was removed while it was open is not
 * always ENOENT. */
static bool is_removed(const struct swapdir_attempt *at)
{
	struct stat st;

	return at->fd >= 0 && fstat(at->fd, &st) == 0 && st.st_nlink == 0;
}

int swapdir_refuse_open(const struct swapdir_attempt *at, int err)
{
	if (is_removed(at))
		return refuse(at, -ENOENT, "was removed; make it (mkdir -p) "
			      "and start memd again");
	switch (-err) {
	case ENOENT:
		return refuse(at, err, "does not exist; make it (mkdir -p) or "
			      "choose another swap_dir");
	case ENOTDIR:
		return refuse(at, err, "is not a folder; name a folder in "
			      "swap_dir");
	case EACCES:
	case EPERM:
		return refuse(at, err, "uid %u may not make files there; let "
			      "that user write to it, or choose another "
			      "swap_dir", (unsigned)geteuid());
	case EROFS:
		return refuse(at, err, "the file system is read-only; choose "
			      "another swap_dir");
	case EMFILE:
		return refuse(at, err, "memd has no descriptor left for a "
			      "file; raise LimitNOFILE= (ulimit -n)");
	case EBUSY:
		return refuse(at, err, "somebody moves or links files that "
			      "memd makes there; choose another swap_dir");
	default:
		return swapdir_refuse_call(at, err, "no file can be made");
	}
}

int swapdir_refuse_memory(const struct swapdir_attempt *at, const char *what)
{
	return refuse(at, -EINVAL, "is %s, so swapping there saves no memory; "
		      "name a folder on a disk in swap_dir", what);
}

int swapdir_refuse_full(const struct swapdir_attempt *at, uint64_t bytes)
{
	char needed[16], available[16];

	units_format_size(bytes, needed, sizeof(needed));
	units_format_size(swapdir_free_of(at->fd), available,
			  sizeof(available));
	return refuse(at, -ENOSPC, "needs %s, the file system has %s free; "
		      "make room or lower swap_size", needed, available);
}

int swapdir_refuse_cancelled(const struct swapdir_attempt *at)
{
	return refuse(at, -ECANCELED, "a file was given up while it was made");
}

int swapdir_check_file_system(const struct swapdir_attempt *at)
{
	struct statfs fs;

	if (fstatfs(at->fd, &fs) != 0)
		return swapdir_refuse_call(at, -errno, "cannot be looked at");
	switch ((unsigned)fs.f_type) {
	case TMPFS_MAGIC:
		return swapdir_refuse_memory(at, "a tmpfs");
	case RAMFS_MAGIC:
		return swapdir_refuse_memory(at, "a ramfs");
	case HUGETLBFS_MAGIC:
		return swapdir_refuse_memory(at, "a hugetlbfs");
	case FUSE_SUPER_MAGIC:
		if ((fs.f_flags & ST_NOSUID) && (fs.f_flags & ST_NODEV))
			return refuse(at, -EPERM, "an ordinary user may have "
				      "mounted this FUSE file system, and "
				      "would see all pages; choose another "
				      "swap_dir");
	}
	return 0;
}

int swapdir_check_owner(const struct swapdir_attempt *at)
{
	struct stat st;

	if (fstat(at->fd, &st) != 0)
		return swapdir_refuse_call(at, -errno, "cannot be looked at");
	if (st.st_uid == 0 || st.st_uid == geteuid())
		return 0;
	return refuse(at, -EPERM, "belongs to uid %u, memd runs as uid %u; "
		      "chown it, or choose another swap_dir",
		      (unsigned)st.st_uid, (unsigned)geteuid());
}

int swapdir_check_room(const struct swapdir_attempt *at, uint64_t bytes)
{
	return bytes <= swapdir_free_of(at->fd) ? 0 :
		swapdir_refuse_full(at, bytes);
}

int swapdir_check_limit(const struct swapdir_attempt *at, uint64_t bytes)
{
	struct rlimit limit;
	char size[16];

	if (getrlimit(RLIMIT_FSIZE, &limit) != 0 ||
	    limit.rlim_cur == RLIM_INFINITY || bytes <= limit.rlim_cur)
		return 0;
	units_format_size(bytes, size, sizeof(size));
	return refuse(at, -EFBIG, "%s is more than this process may write to "
		      "one file; raise LimitFSIZE= (ulimit -f)", size);
}

/* A line of /proc/self/mountinfo: its mount and device, and whether all of the
 * file system is mounted there. */
struct mount_line {
	unsigned long long mount;
	unsigned major, minor;
	bool is_whole;
};

static bool read_mount_line(FILE *mounts, struct mount_line *ret_line)
{
	char *line = NULL, root[3] = "";
	size_t size = 0;
	bool is_read = getline(&line, &size, mounts) > 0;

	*ret_line = (struct mount_line){ 0 };
	if (is_read && sscanf(line, "%llu %*u %u:%u %2s", &ret_line->mount,
			      &ret_line->major, &ret_line->minor, root) == 4)
		ret_line->is_whole = strcmp(root, "/") == 0;
	free(line);
	return is_read;
}

static bool is_only_mount(unsigned long long mount)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	struct mount_line own = { 0 }, line;
	unsigned count = 0;

	if (mounts == NULL)
		return false;
	while (own.mount != mount && read_mount_line(mounts, &own))
		;
	rewind(mounts);
	while (read_mount_line(mounts, &line))
		count += line.major == own.major && line.minor == own.minor;
	fclose(mounts);
	return own.is_whole && count == 1;
}

bool swapdir_is_apart(const struct swapdir_attempt *at)
{
	const unsigned mask = STATX_MODE | STATX_MNT_ID;
	struct statx sx;

	if (statx(at->fd, "", AT_EMPTY_PATH, mask, &sx) != 0 ||
	    (sx.stx_mask & mask) != mask)
		return false;
	return (sx.stx_mode & (S_IWGRP | S_IWOTH)) == 0 &&
	       (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 &&
	       is_only_mount(sx.stx_mnt_id);
}

uint64_t swapdir_free_of(int fd)
{
	struct statvfs vfs;

	if (fstatvfs(fd, &vfs) != 0 || vfs.f_blocks == 0)
		return UINT64_MAX;
	return (uint64_t)(geteuid() == 0 ? vfs.f_bfree : vfs.f_bavail) *
	       vfs.f_frsize;
}
