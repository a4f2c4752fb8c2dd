/* SPDX-License-Identifier: MIT */
/* The swap file: made or opened, proven to be ours, locked, preallocated.
 *
 * Layout: the slots, then one 4 KiB header block (magic "memdswap", layout
 * version, the slot size, an XXH3 checksum of the header) that ends the file.
 * Contents do not survive a restart of the daemon; the header only tells our
 * file from somebody's data. */
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
	uint32_t slot_count;	/* as asked for, in slots; the first is at byte
				 * 0 */
	uint64_t device, inode;	/* identity of the file */
};

/* Called from time to time while a large file is made.  is_asked() returns true
 * to give up. */
struct swapfile_cancel {
	bool (*is_asked)(void *ctx);
	void *ctx;
};

/* Open or make `path`, with room for `size_bytes` of slots.
 *
 * A missing file is made, with mode 0600, without copy-on-write if the file
 * system has it (btrfs), and preallocated (with fallocate, or by writing if the
 * file system cannot).  An existing file must be a regular file, no symbolic
 * link, owned by this uid, without access for others, and not locked by another
 * memd.  It must have memd's header; an empty file counts as new.  It is grown
 * if needed, never shrunk.  cancel NULL: never give up.
 *
 * On failure returns -errno, and writes one line to `ret_reason` that names the
 * path, the cause and the cure (for example "/var/lib/memd/swap: belongs to uid
 * 1000, memd runs as uid 0; choose another swap_file"): -ENOENT (no such
 * folder), -EPERM (not memd's file), -EBUSY (locked), -ENOSPC (disk full; says
 * needed and free), -EINVAL (not a regular file, or a size of zero or above 16
 * TiB), -EFBIG (above RLIMIT_FSIZE), -ECANCELED (`cancel`), and others of
 * open(2).  A file that was made by a failed call is removed.  Blocks while the
 * file is filled. */
int swapfile_open(const char *path, uint64_t size_bytes,
		  const struct swapfile_cancel *cancel,
		  struct swapfile *ret_sf, char *ret_reason,
		  size_t reason_size) MUST_CHECK;

/* As swapfile_open(), without making or changing anything: for `memd
 * --check`. */
int swapfile_probe(const char *path, uint64_t size_bytes, char *ret_reason,
		   size_t reason_size) MUST_CHECK;

/* If the file system copies what is written (btrfs), preallocated room is not
 * certain.  ALWAYS: the file was made with copies.  SHARED: only while a
 * snapshot or a reflink shares the file.  The file may not exist yet. */
enum swapfile_copies {
	SWAPFILE_COPIES_NEVER, SWAPFILE_COPIES_SHARED, SWAPFILE_COPIES_ALWAYS
};
enum swapfile_copies swapfile_copies(const char *path);

/* Close the file.  Remove it if `remove`, unless `path` is another file by
 * now. */
void swapfile_close(struct swapfile *sf, const char *path, bool remove);

#endif
