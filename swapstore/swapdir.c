/* SPDX-License-Identifier: MIT */
/* Opening the folder, and filling files in it.  What the file system can do is
 * tried on two files without names, which are gone again at once. */
#include "swapstore/swapdir.h"

#include "swapstore/swap_files.h"
#include "swapstore/swapdir_checks.h"
#include "swapstore/swapdir_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Of file systems that the kernel's headers do not know. */
#define BCACHEFS_MAGIC	0xca451a4eu
#define ZFS_MAGIC	0x2fc12fc1u

enum { ZEROS_BYTES = 1 << 20 };

static int open_nameless(const struct swapdir *dir)
{
	return dir->has_tmpfile ? swapdir_file_open(dir->fd) :
				  swapdir_file_open_named(dir->fd);
}

/* ---- what the file system can do */

/* Some file systems refuse O_DIRECT when it is set, others at the first
 * read. */
static bool has_direct(int fd)
{
	void *block = aligned_alloc(SWAP_SLOT_BYTES, SWAP_SLOT_BYTES);
	bool has = block != NULL && ftruncate(fd, SWAP_SLOT_BYTES) == 0 &&
		   fcntl(fd, F_SETFL, O_DIRECT) == 0 &&
		   pread(fd, block, SWAP_SLOT_BYTES, 0) == SWAP_SLOT_BYTES;

	free(block);
	return has;
}

/* Where a sandbox forbids to try it, what counts is whether the file system
 * may have it: another process can use it. */
static bool can_share(int from, int to, unsigned magic)
{
	if (ioctl(to, FICLONE, from) == 0)
		return true;
	if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL)
		return false;
	return magic == BTRFS_SUPER_MAGIC || magic == XFS_SUPER_MAGIC ||
	       magic == BCACHEFS_MAGIC || magic == OCFS2_SUPER_MAGIC ||
	       magic == OVERLAYFS_SUPER_MAGIC;
}

static enum swapdir_copies copies_of(bool avoids, bool shares, unsigned magic)
{
	switch (magic) {
	case BTRFS_SUPER_MAGIC:
		return avoids ? SWAPDIR_COPIES_SHARED : SWAPDIR_COPIES_ALWAYS;
	case BCACHEFS_MAGIC:
	case ZFS_MAGIC:
	case NILFS_SUPER_MAGIC:
		return SWAPDIR_COPIES_ALWAYS;
	default:
		return shares ? SWAPDIR_COPIES_SHARED : SWAPDIR_COPIES_NEVER;
	}
}

/* An overlay has the properties of the file system below it, but not its type.
 * One in memory cannot say where the blocks of a file are. */
static bool is_overlay_in_memory(int fd, unsigned magic)
{
	struct fiemap map = { .fm_length = SWAP_SLOT_BYTES };

	return magic == OVERLAYFS_SUPER_MAGIC &&
	       ioctl(fd, FS_IOC_FIEMAP, &map) != 0 && errno == EOPNOTSUPP;
}

static int try_files(const struct swapdir_attempt *at, int fd, int other,
		     struct swapdir *dir)
{
	struct statfs fs;
	unsigned magic;
	bool avoids;

	if (fstatfs(fd, &fs) != 0)
		return swapdir_refuse_call(at, -errno, "cannot be looked at");
	magic = (unsigned)fs.f_type;
	if (is_overlay_in_memory(fd, magic))
		return swapdir_refuse_memory(at, "an overlay on memory");
	/* FICLONE wants both alike. */
	avoids = swapdir_file_avoid_copies(fd);
	(void)swapdir_file_avoid_copies(other);
	dir->can_share = can_share(fd, other, magic);
	dir->is_apart = swapdir_is_apart(at);
	dir->has_snapshots = magic == BTRFS_SUPER_MAGIC;
	dir->copies = copies_of(avoids, dir->can_share, magic);
	dir->is_direct = has_direct(fd);
	return 0;
}

/* A probe makes no file with a name. */
static int try_access(const struct swapdir_attempt *at, struct swapdir *dir)
{
	dir->is_direct = true;
	if (faccessat(at->fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return swapdir_refuse_open(at, -errno);
	return 0;
}

static int try_folder(const struct swapdir_attempt *at, bool is_probe,
		      struct swapdir *dir)
{
	int err, other, fd = swapdir_file_open(at->fd);

	dir->has_tmpfile = !swapdir_file_needs_name(fd);
	if (!dir->has_tmpfile && is_probe)
		return try_access(at, dir);
	if (!dir->has_tmpfile)
		fd = swapdir_file_open_named(at->fd);
	if (fd < 0)
		return swapdir_refuse_open(at, fd);
	other = open_nameless(dir);
	err = other < 0 ? swapdir_refuse_open(at, other) :
			  try_files(at, fd, other, dir);
	if (other >= 0)
		close(other);
	close(fd);
	return err;
}

static int open_folder(struct swapdir_attempt *at, bool is_probe,
		       struct swapdir *ret_dir)
{
	struct swapdir dir = { 0 };
	int err;

	at->fd = open(at->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at->fd < 0)
		return swapdir_refuse_open(at, -errno);
	dir.fd = at->fd;
	snprintf(dir.path, sizeof(dir.path), "%s", at->path);
	err = swapdir_check_file_system(at);
	if (err == 0)
		err = swapdir_check_owner(at);
	/* The file of the trial has one slot. */
	if (err == 0)
		err = swapdir_check_limit(at, SWAP_SLOT_BYTES);
	if (err == 0)
		err = try_folder(at, is_probe, &dir);
	if (err != 0)
		close(at->fd);
	else
		*ret_dir = dir;
	return err;
}

int swapdir_open(const char *path, struct swapdir *ret_dir, char *ret_reason,
		 size_t reason_size)
{
	struct swapdir_attempt at = { path, -1, { ret_reason, reason_size } };

	return open_folder(&at, false, ret_dir);
}

int swapdir_probe(const char *path, uint64_t bytes, struct swapdir *ret_dir,
		  char *ret_reason, size_t reason_size)
{
	struct swapdir_attempt at = { path, -1, { ret_reason, reason_size } };
	struct swapdir dir = { .fd = -1 };
	int err = open_folder(&at, true, &dir);

	if (err != 0)
		return err;
	err = swapdir_check_limit(&at, MIN(bytes,
					   (uint64_t)SWAPDIR_FILE_BYTES_MAX));
	if (err == 0)
		err = swapdir_check_room(&at, bytes);
	swapdir_close(&dir);
	if (err == 0)
		*ret_dir = dir;
	return err;
}

void swapdir_close(struct swapdir *dir)
{
	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = -1;
}

uint64_t swapdir_free_bytes(const struct swapdir *dir)
{
	return swapdir_free_of(dir->fd);
}

/* ---- making a file */

static bool is_given_up(const struct swapdir_cancel *cancel)
{
	return cancel != NULL && cancel->is_asked(cancel->ctx);
}

/* The blocks must be on the disk: some file systems find out that they have no
 * room only then. */
static int fill_with_zeros(int fd, uint64_t bytes,
			   const struct swapdir_cancel *cancel)
{
	void *zeros = aligned_alloc(SWAP_SLOT_BYTES, ZEROS_BYTES);
	uint64_t done = 0;
	int err = zeros == NULL ? -ENOMEM : 0;

	if (err == 0)
		memset(zeros, 0, ZEROS_BYTES);
	while (err == 0 && done < bytes) {
		size_t length = (size_t)MIN(bytes - done,
					    (uint64_t)ZEROS_BYTES);
		ssize_t n = pwrite(fd, zeros, length, (off_t)done);

		if (n > 0)
			done += (uint64_t)n;
		else if (n == 0 || errno != EINTR)
			err = n == 0 ? -EIO : -errno;
		if (err == 0 && is_given_up(cancel))
			err = -ECANCELED;
	}
	free(zeros);
	return err == 0 && fdatasync(fd) != 0 ? -errno : err;
}

static int allocate_blocks(int fd, uint64_t bytes,
			   const struct swapdir_cancel *cancel)
{
	int err;

	do {
		if (is_given_up(cancel))
			return -ECANCELED;
		err = fallocate(fd, 0, 0, (off_t)bytes) != 0 ? -errno : 0;
	} while (err == -EINTR);
	return err == -EOPNOTSUPP ? fill_with_zeros(fd, bytes, cancel) : err;
}

static int make_file(const struct swapdir_attempt *at,
		     const struct swapdir *dir, int fd, uint64_t bytes,
		     const struct swapdir_cancel *cancel)
{
	int err = 0;

	if (dir->copies != SWAPDIR_COPIES_NEVER)
		(void)swapdir_file_avoid_copies(fd);
	if (dir->is_direct && fcntl(fd, F_SETFL, O_DIRECT) != 0)
		err = -errno;
	if (err == 0)
		err = allocate_blocks(fd, bytes, cancel);
	switch (err) {
	case 0:
		return 0;
	case -ECANCELED:
		return swapdir_refuse_cancelled(at);
	case -ENOSPC:
		return swapdir_refuse_full(at, bytes);
	default:
		return swapdir_refuse_call(at, err, "no file of that size can "
					   "be made");
	}
}

int swapdir_make(const struct swapdir *dir, uint64_t bytes,
		 const struct swapdir_cancel *cancel, int *ret_fd,
		 char *ret_reason, size_t reason_size)
{
	const struct swapdir_attempt at = { dir->path, dir->fd,
					    { ret_reason, reason_size } };
	int fd, err;

	ASSERT(bytes != 0 && bytes % SWAP_SLOT_BYTES == 0);
	err = swapdir_check_limit(&at, bytes);
	/* Before allocating: a failed attempt must not fill the disk. */
	if (err == 0)
		err = swapdir_check_room(&at, bytes);
	if (err != 0)
		return err;
	fd = open_nameless(dir);
	if (fd < 0)
		return swapdir_refuse_open(&at, fd);
	err = make_file(&at, dir, fd, bytes, cancel);
	if (err != 0) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}
