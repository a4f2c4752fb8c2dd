/* SPDX-License-Identifier: MIT */
/* The folder for swap files: what its file system can do, and files in it.
 *
 * A swap file has no name: it is gone when nobody has it open, whatever becomes
 * of this process.  Its blocks are allocated when it is made, so that a write
 * does not find the disk full later. */
#ifndef MEMD_SWAPSTORE_SWAPDIR_H
#define MEMD_SWAPSTORE_SWAPDIR_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does a write to a block that a file has already need a new block?  Where it
 * does, allocated room is not certain.  SHARED: only while a snapshot or a
 * reflink copy shares the block.  ALWAYS: after each allocation. */
enum swapdir_copies {
	SWAPDIR_COPIES_NEVER, SWAPDIR_COPIES_SHARED, SWAPDIR_COPIES_ALWAYS
};

enum { SWAPDIR_PATH_BYTES = 1024 };

struct swapdir {
	int fd;			/* owned, O_PATH */
	char path[SWAPDIR_PATH_BYTES];	/* as given; for messages */
	bool has_tmpfile;	/* files can be made without a name */
	bool is_direct;		/* files have O_DIRECT */
	/* A process that can read a file, and write to the file system, can
	 * make a copy that shares the blocks (FICLONE). */
	bool can_share;
	/* The folder is a whole file system, which is mounted nowhere else, and
	 * whose root only its owner may write to.  So no other user can have
	 * files there. */
	bool is_apart;
	bool has_snapshots;
	enum swapdir_copies copies;
};

/* Asked from time to time while a file is filled.  is_asked() returns true to
 * give up. */
struct swapdir_cancel {
	bool (*is_asked)(void *ctx);
	void *ctx;
};

/* Open the folder, and find out what can be done there.  It must exist, and
 * must belong to root or to the effective user.  Who else may write there does
 * not matter (swapdir.c says why).
 *
 * On failure returns -errno, and writes one line to `ret_reason` that names the
 * path, the cause and the cure: -ENOENT, -ENOTDIR (no folder), -EACCES, -EROFS
 * (no file can be made), -EPERM (belongs to somebody else, or is a FUSE file
 * system that an ordinary user may have mounted), -EBUSY (somebody moves files
 * that are made there), -EINVAL (the file system is in memory), -EFBIG (this
 * process may write no file), and others of open(2). */
int swapdir_open(const char *path, struct swapdir *ret_dir, char *ret_reason,
		 size_t reason_size) MUST_CHECK;

/* As swapdir_open(), for `memd --check`: changes nothing, and ret_dir->fd is
 * -1.  Also checks whether there is room for `bytes` in all: -ENOSPC; and
 * whether the largest file could be made: -EFBIG.  Where files cannot be made
 * without a name, nothing is tried: is_direct is true, can_share false. */
int swapdir_probe(const char *path, uint64_t bytes, struct swapdir *ret_dir,
		  char *ret_reason, size_t reason_size) MUST_CHECK;

/* Accepts a folder with fd -1. */
void swapdir_close(struct swapdir *dir);

/* What this user may still allocate there, as the file system tells it.
 * UINT64_MAX: it does not. */
uint64_t swapdir_free_bytes(const struct swapdir *dir);

enum { SWAPDIR_FILE_BYTES_MAX = 1 << 30 };	/* that memd makes */

/* Make a file without a name, of `bytes` (a multiple of 4 KiB), all allocated
 * (with fallocate; where the file system cannot, zeros are written), with mode
 * 0600, without copy-on-write where that can be switched off (btrfs), and with
 * O_DIRECT if dir->is_direct.  Blocks are unwritten and read as zeros.
 *
 * ret_fd  the file, for reading and writing, close-on-exec; the caller's.
 * cancel  NULL: never give up.
 *
 * On failure returns -errno with a reason as swapdir_open(): -ENOSPC (says
 * needed and free), -EDQUOT, -EFBIG (above RLIMIT_FSIZE), -ECANCELED
 * (`cancel`), and others of open(2) and fallocate(2); no blocks stay
 * allocated.
 *
 * Blocks on the disk.  Threads: any, several at once; uses its arguments
 * alone. */
int swapdir_make(const struct swapdir *dir, uint64_t bytes,
		 const struct swapdir_cancel *cancel, int *ret_fd,
		 char *ret_reason, size_t reason_size) MUST_CHECK;

#endif
