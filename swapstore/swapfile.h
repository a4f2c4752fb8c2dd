/* SPDX-License-Identifier: MIT */
/* The swap file: made or opened, proven to be ours, locked, preallocated.
 *
 * Layout: one 4 KiB header block (magic "memdswap", layout version, the slot
 * size, a CRC-like checksum of the header), then the slots.  Contents do not
 * survive a restart of the daemon; the header only tells our file from
 * somebody's data. */
#ifndef MEMD_SWAPSTORE_SWAPFILE_H
#define MEMD_SWAPSTORE_SWAPFILE_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct swapfile {
	int fd;
	bool is_direct;		/* O_DIRECT works on this file system */
	bool was_created;
	uint64_t slots_offset;	/* byte offset of slot index 0 */
	uint32_t slot_count;	/* what was asked for, in slots */
	uint64_t device, inode;	/* which file it is, whatever its name */
};

/* Asked now and then while a large file is made: is it to be given up? */
struct swapfile_cancel {
	bool (*is_asked)(void *ctx);
	void *ctx;
};

/* Open or make `path` with room for `size_bytes` of slots.
 *
 * Missing file: made, mode 0600, without copy-on-write where the file system
 * has that (btrfs), preallocated (fallocate; where the file system cannot,
 * written).  Existing file: must be a regular file, not a
 * symlink, owned by this uid, with no access for others, carrying our header
 * (an empty file counts as new), and not locked by another memd.  It is grown
 * or kept, never shrunk.  cancel NULL: nobody asks for it to be given up.
 *
 * On failure returns -errno and writes one line that names the path, the
 * cause and the cure into `ret_reason` (e.g. "/var/lib/memd/swap: belongs to
 * uid 1000, memd runs as uid 0; choose another swap_file").
 * -ENOENT directory missing · -EPERM not ours · -EBUSY locked · -ENOSPC disk
 * full (says needed and free) · -EINVAL not a regular file, or a size of zero
 * or above 16 TiB · -EFBIG above RLIMIT_FSIZE · -ECANCELED `cancel` asked
 * for that · others as open(2) gives them.
 * A file made by a call that fails is gone again. */
int swapfile_open(const char *path, uint64_t size_bytes,
		  const struct swapfile_cancel *cancel,
		  struct swapfile *ret_sf, char *ret_reason,
		  size_t reason_size) MUST_CHECK;

/* Same tests, nothing made or changed: for `memd --check`. */
int swapfile_probe(const char *path, uint64_t size_bytes, char *ret_reason,
		   size_t reason_size) MUST_CHECK;

/* Where the file system copies what is written (btrfs), preallocated room is
 * not room for certain: not for a file that was made with copies, and for none
 * while a snapshot or a reflink shares it.  The file may be there or not
 * yet. */
enum swapfile_copies {
	SWAPFILE_COPIES_NEVER, SWAPFILE_COPIES_SHARED, SWAPFILE_COPIES_ALWAYS
};
enum swapfile_copies swapfile_copies(const char *path);

/* Close; removes the file when `remove`, unless `path` means another file by
 * now.  A store that took sf->fd closes it itself: set sf->fd to -1 then, and
 * call this before swapstore_destroy(), which lets go of the lock. */
void swapfile_close(struct swapfile *sf, const char *path, bool remove);

#endif
