/* SPDX-License-Identifier: MIT */
/* Which file has which slots, for the stores that keep slots in files.
 *
 * The slots of a store are one space of numbers.  A file has a run of them, in
 * order, from its byte 0 on.  Between two files numbers may be unused.  Files
 * are borrowed: nothing here opens, closes or touches one. */
#ifndef MEMD_SWAPSTORE_SWAP_FILES_H
#define MEMD_SWAPSTORE_SWAP_FILES_H

#include "common/checks.h"
#include "common/table.h"
#include <stdbool.h>
#include <stdint.h>

enum { SWAP_SLOT_BYTES = 4096 };

/* A run starts and ends at a multiple of this: 1 MiB. */
enum { SWAP_FILE_SLOTS = 256 };

/* A row for each SWAP_FILE_SLOTS slots, all zeros where no file is.  Only rows
 * of files use memory. */
struct swap_files {
	struct table row_table;
};

/* The bytes of a run of slots. */
struct swap_place {
	int fd;
	uint64_t offset;	/* of the first slot, in bytes */
};

/* For slot numbers below `slot_limit`.  Returns 0 or -errno of table_init(). */
int swap_files_init(struct swap_files *sf, uint32_t slot_limit) MUST_CHECK;
/* Accepts a zeroed struct. */
void swap_files_fini(struct swap_files *sf);

/* Slots [first, first + count) are in `fd` now.  They were in no file.  Returns
 * 0, or -ENOMEM or -ENOSPC (no memory for the rows; nothing has changed). */
int swap_files_add(struct swap_files *sf, uint32_t first, uint32_t count,
		   int fd) MUST_CHECK;
/* The file with exactly these slots has them no longer. */
void swap_files_remove(struct swap_files *sf, uint32_t first, uint32_t count);

/* False if [slot, slot + count) is not within one file. */
bool swap_files_find(const struct swap_files *sf, uint32_t slot,
		     uint32_t count, struct swap_place *ret_place);

#endif
