/* SPDX-License-Identifier: MIT */
/* Making, opening, locking and filling the swap file.  Which files are
 * refused, and in what words, is swapfile_checks.c.
 *
 * The lock is an OFD lock on the header block.  It belongs to the open file,
 * so a second memd is refused even inside one process, a probe can ask about
 * it without taking it, and a killed memd's lock lasts until the kernel has
 * ended the I/O that memd had in flight. */
#include "swapstore/swapfile.h"

#include "swapstore/swapfile_checks.h"
#include "swapstore/swapstore.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 15, OPEN_TRIES = 4 };

/* Allocate in pieces of this size, and check between two pieces whether to give
 * up. */
#define ALLOCATE_BYTES	(UINT64_C(1) << 30)

/* O_NONBLOCK, because open() of a FIFO would block.  The flag is removed
 * afterwards: io_uring would obey it and fail with -EAGAIN. */
static int open_existing(struct swapfile_attempt *at)
{
	at->fd = open(at->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
		      O_CLOEXEC);
	return at->fd < 0 || fcntl(at->fd, F_SETFL, 0) != 0 ? -errno : 0;
}

/* Open the file or make it.  Between the two calls it may appear or vanish. */
static int open_or_create(struct swapfile_attempt *at)
{
	int err = -ENOENT;

	for (int i = 0; i < OPEN_TRIES && err == -ENOENT; i++) {
		at->fd = open(at->path, O_RDWR | O_CREAT | O_EXCL |
			      O_NOFOLLOW | O_CLOEXEC, 0600);
		at->was_created = at->fd >= 0;
		if (at->was_created)
			return 0;
		if (errno != EEXIST)
			return swapfile_refuse_open(at, -errno);
		err = open_existing(at);
	}
	return err == 0 ? 0 : swapfile_refuse_open(at, err);
}

static struct flock header_lock(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET,
			       .l_start = 0, .l_len = SWAPFILE_HEADER_BYTES };
}

/* Wait a little for the lock: a killed memd keeps it until the kernel has
 * cleaned up, which takes some milliseconds. */
static int swapfile_take_lock(struct swapfile_attempt *at)
{
	static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	for (int i = 0; i < LOCK_TRIES; i++) {
		struct flock lock = header_lock();

		if (fcntl(at->fd, F_OFD_SETLK, &lock) == 0) {
			at->is_locked = true;
			return 0;
		}
		if (errno != EAGAIN && errno != EACCES)
			return swapfile_refuse_call(at, -errno,
						    "cannot be locked");
		(void)nanosleep(&pause, NULL);
	}
	return swapfile_refuse_locked(at);
}

static int ask_lock(const struct swapfile_attempt *at)
{
	struct flock lock = header_lock();

	if (fcntl(at->fd, F_OFD_GETLK, &lock) != 0)
		return swapfile_refuse_call(at, -errno, "cannot be locked");
	return lock.l_type == F_UNLCK ? 0 : swapfile_refuse_locked(at);
}

static int write_all(int fd, const void *bytes, size_t length, uint64_t offset)
{
	const char *from = bytes;

	while (length > 0) {
		ssize_t n = pwrite(fd, from, length, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		from += n;
		length -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static bool is_cancelled(const struct swapfile_attempt *at)
{
	return at->cancel != NULL && at->cancel->is_asked(at->cancel->ctx);
}

/* For file systems without fallocate. */
static int write_zeros(const struct swapfile_attempt *at, uint64_t from)
{
	static const char zeros[64 * 1024];
	uint64_t slots_end = at->file_bytes - SWAPFILE_HEADER_BYTES;
	int err = 0;

	while (err == 0 && from < slots_end) {
		size_t length = (size_t)MIN(slots_end - from, sizeof(zeros));

		err = is_cancelled(at) ? -ECANCELED :
			write_all(at->fd, zeros, length, from);
		from += length;
	}
	return err;
}

/* Fills the file up to its header. */
static int allocate_file(const struct swapfile_attempt *at)
{
	uint64_t from = 0;
	int err = 0;

	while (err == 0 && from < at->file_bytes) {
		uint64_t length = MIN(at->file_bytes - from, ALLOCATE_BYTES);

		if (is_cancelled(at))
			return -ECANCELED;
		if (fallocate(at->fd, 0, (off_t)from, (off_t)length) == 0)
			from += length;
		else if (errno != EINTR)
			err = -errno;
	}
	if (err != -EOPNOTSUPP)
		return err;
	from = 0;
	if (swapfile_missing_bytes(at) == 0)
		from = (uint64_t)at->st.st_size;
	return write_zeros(at, from);
}

/* On a file system that writes copies (btrfs), preallocated blocks are given
 * away with the first write, and the next write finds no room on a full disk.
 * This can be switched off only for an empty file. */
static void avoid_copies(const struct swapfile_attempt *at)
{
	struct statfs fs;
	int flags;

	if (fstatfs(at->fd, &fs) != 0 || fs.f_type != BTRFS_SUPER_MAGIC ||
	    ioctl(at->fd, FS_IOC_GETFLAGS, &flags) != 0)
		return;
	flags |= FS_NOCOW_FL;
	(void)ioctl(at->fd, FS_IOC_SETFLAGS, &flags);
}

static int write_header(const struct swapfile_attempt *at)
{
	union swapfile_header header;
	int err;

	swapfile_header_init(&header);
	err = write_all(at->fd, &header, sizeof(header),
			at->file_bytes - sizeof(header));
	return err == 0 && fdatasync(at->fd) != 0 ? -errno : err;
}

/* Write the header first, and to the disk, which gives the file its size: a
 * file that has any size is then known as memd's, whatever happens next. */
static int fill_file(const struct swapfile_attempt *at)
{
	struct statvfs vfs;
	int err;

	if (fstatvfs(at->fd, &vfs) != 0)
		return swapfile_refuse_call(at, -errno, "cannot be looked at");
	err = swapfile_check_space(at, &vfs);
	if (err != 0)
		return err;
	if (at->st.st_size == 0)
		avoid_copies(at);
	if ((uint64_t)at->st.st_size < at->file_bytes)
		err = write_header(at);
	if (err == 0)
		err = allocate_file(at);
	if (err == -ECANCELED)
		return swapfile_refuse(at, err, "was being made when memd was "
				       "told to stop");
	if (err == -ENOSPC)
		return swapfile_refuse_full(at, &vfs);
	return err == 0 ? 0 : swapfile_refuse_call(at, err, "cannot be made "
						   "that large");
}

/* Some file systems refuse O_DIRECT when it is set, others at the first read.
 * File systems in memory accept it and cache all the same. */
static bool try_direct(int fd)
{
	void *block = aligned_alloc(SWAP_SLOT_BYTES, SWAP_SLOT_BYTES);
	struct statfs fs;
	bool works;

	works = block != NULL && fstatfs(fd, &fs) == 0 &&
		fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC &&
		fcntl(fd, F_SETFL, O_DIRECT) == 0;
	if (works && pread(fd, block, SWAP_SLOT_BYTES, 0) != SWAP_SLOT_BYTES) {
		works = false;
		(void)fcntl(fd, F_SETFL, 0);
	}
	free(block);
	return works;
}

static bool is_at_path(const char *path, uint64_t device, uint64_t inode)
{
	struct stat now;

	return lstat(path, &now) == 0 && now.st_dev == device &&
	       now.st_ino == inode;
}

/* Leave nothing behind: remove a file that was made here, unless another memd
 * has locked it meanwhile; cut back a file that was grown. */
static void swapfile_give_up(struct swapfile_attempt *at, int err)
{
	struct stat now;

	if (at->fd < 0)
		return;
	if (at->was_created && err != -EBUSY &&
	    is_at_path(at->path, at->st.st_dev, at->st.st_ino))
		(void)unlink(at->path);
	else if (at->is_locked && fstat(at->fd, &now) == 0 &&
		 now.st_size > at->st.st_size)
		(void)!ftruncate(at->fd, at->st.st_size);
	close(at->fd);
	at->fd = -1;
	at->is_locked = false;
}

/* Open and lock the file.  -ESTALE: its last owner has removed it while we
 * waited for the lock. */
static int swapfile_open_locked(struct swapfile_attempt *at)
{
	int err = open_or_create(at);

	if (err == 0)
		err = swapfile_check_owner(at);
	if (err == 0)
		err = swapfile_take_lock(at);
	if (err == 0)
		/* Again: it is locked now, so its size is final. */
		err = swapfile_check_owner(at);
	if (err == 0 && !is_at_path(at->path, at->st.st_dev, at->st.st_ino))
		err = swapfile_refuse(at, -ESTALE, "is being replaced again "
				      "and again; choose another swap_file");
	return err;
}

int swapfile_open(const char *path, uint64_t size_bytes,
		  const struct swapfile_cancel *cancel,
		  struct swapfile *ret_sf, char *ret_reason,
		  size_t reason_size)
{
	struct swapfile_attempt at = {
		.path = path, .fd = -1, .cancel = cancel,
		.reason = ret_reason, .reason_size = reason_size,
	};
	int err = swapfile_check_size(&at, size_bytes);

	if (err != 0)
		return err;
	err = swapfile_open_locked(&at);
	for (int i = 1; i < OPEN_TRIES && err == -ESTALE; i++) {
		swapfile_give_up(&at, err);
		err = swapfile_open_locked(&at);
	}
	if (err == 0)
		err = swapfile_check_header(&at);
	if (err == 0)
		err = fill_file(&at);
	if (err != 0) {
		swapfile_give_up(&at, err);
		return err;
	}
	*ret_sf = (struct swapfile){
		.fd = at.fd,
		.is_direct = try_direct(at.fd),
		.was_created = at.was_created,
		.slot_count = (uint32_t)(DIV_ROUND_UP(size_bytes,
						      SWAP_SLOT_BYTES)),
		.device = at.st.st_dev,
		.inode = at.st.st_ino,
	};
	return 0;
}

static int probe_existing(struct swapfile_attempt *at)
{
	struct statvfs vfs;
	int err = swapfile_check_owner(at);

	if (err == 0)
		err = ask_lock(at);
	if (err == 0)
		err = swapfile_check_header(at);
	if (err != 0)
		return err;
	if (fstatvfs(at->fd, &vfs) != 0)
		return swapfile_refuse_call(at, -errno, "cannot be looked at");
	return swapfile_check_space(at, &vfs);
}

static int probe_missing(struct swapfile_attempt *at)
{
	char folder[1024];
	struct statvfs vfs;

	swapfile_folder(at->path, folder, sizeof(folder));
	if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0 ||
	    statvfs(folder, &vfs) != 0)
		return swapfile_refuse_open(at, -errno);
	return swapfile_check_space(at, &vfs);
}

int swapfile_probe(const char *path, uint64_t size_bytes, char *ret_reason,
		   size_t reason_size)
{
	struct swapfile_attempt at = {
		.path = path, .fd = -1,
		.reason = ret_reason, .reason_size = reason_size,
	};
	int err = swapfile_check_size(&at, size_bytes);

	if (err != 0)
		return err;
	err = open_existing(&at);
	if (err == 0)
		err = probe_existing(&at);
	else if (err == -ENOENT)
		err = probe_missing(&at);
	else
		err = swapfile_refuse_open(&at, err);
	if (at.fd >= 0)
		close(at.fd);
	return err;
}

/* True if the file exists, is not empty, and is written by copying. */
static bool is_copied(const char *path)
{
	int flags = 0, fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
				 O_NOCTTY | O_CLOEXEC);
	struct stat st;
	bool is;

	if (fd < 0)
		return false;
	is = fstat(fd, &st) == 0 && st.st_size != 0 &&
	     ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
	     (flags & FS_NOCOW_FL) == 0;
	close(fd);
	return is;
}

enum swapfile_copies swapfile_copies(const char *path)
{
	char folder[1024];
	struct statfs fs;

	swapfile_folder(path, folder, sizeof(folder));
	if (statfs(folder, &fs) != 0 || fs.f_type != BTRFS_SUPER_MAGIC)
		return SWAPFILE_COPIES_NEVER;
	return is_copied(path) ? SWAPFILE_COPIES_ALWAYS :
				 SWAPFILE_COPIES_SHARED;
}

void swapfile_close(struct swapfile *sf, const char *path, bool remove)
{
	if (remove && is_at_path(path, sf->device, sf->inode))
		(void)unlink(path);
	if (sf->fd >= 0)
		close(sf->fd);
	sf->fd = -1;
}
