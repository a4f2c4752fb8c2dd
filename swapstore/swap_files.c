/* SPDX-License-Identifier: MIT */
#include "swapstore/swap_files.h"

#include <errno.h>

struct swap_files_row {
	uint32_t first;		/* the first slot of the file */
	int32_t fd_above;	/* the descriptor plus 1; 0: no file */
};

static struct swap_files_row *row_of(const struct swap_files *sf,
				     uint64_t slot)
{
	return (struct swap_files_row *)sf->row_table.base +
	       slot / SWAP_FILE_SLOTS;
}

static bool has_row(const struct swap_files *sf, uint64_t slot)
{
	return slot / SWAP_FILE_SLOTS < sf->row_table.element_count;
}

static bool is_same_file(const struct swap_files_row *a,
			 const struct swap_files_row *b)
{
	return a->first == b->first && a->fd_above == b->fd_above;
}

int swap_files_init(struct swap_files *sf, uint32_t slot_limit)
{
	return table_init(&sf->row_table, "memd-swap-files",
			  sizeof(struct swap_files_row),
			  DIV_ROUND_UP((size_t)slot_limit, SWAP_FILE_SLOTS));
}

void swap_files_fini(struct swap_files *sf)
{
	table_fini(&sf->row_table);
}

int swap_files_add(struct swap_files *sf, uint32_t first, uint32_t count,
		   int fd)
{
	uint64_t end = (uint64_t)first + count;
	int err;

	ASSERT(fd >= 0 && count != 0);
	ASSERT(first % SWAP_FILE_SLOTS == 0 && count % SWAP_FILE_SLOTS == 0);
	ASSERT(has_row(sf, end - 1));
	err = table_reserve(&sf->row_table, first / SWAP_FILE_SLOTS,
			    count / SWAP_FILE_SLOTS);
	if (err != 0)
		return err;
	for (uint64_t slot = first; slot < end; slot += SWAP_FILE_SLOTS) {
		struct swap_files_row *row = row_of(sf, slot);

		ASSERT(row->fd_above == 0);
		*row = (struct swap_files_row){ .first = first,
						.fd_above = fd + 1 };
	}
	return 0;
}

void swap_files_remove(struct swap_files *sf, uint32_t first, uint32_t count)
{
	uint64_t end = (uint64_t)first + count;
	struct swap_files_row file;

	ASSERT(count != 0 && count % SWAP_FILE_SLOTS == 0);
	ASSERT(has_row(sf, end - 1));
	file = *row_of(sf, first);
	ASSERT(file.fd_above != 0 && file.first == first);
	ASSERT(is_same_file(row_of(sf, end - 1), &file));
	ASSERT(!has_row(sf, end) || !is_same_file(row_of(sf, end), &file));
	table_discard(&sf->row_table, first / SWAP_FILE_SLOTS,
		      count / SWAP_FILE_SLOTS);
}

bool swap_files_find(const struct swap_files *sf, uint32_t slot,
		     uint32_t count, struct swap_place *ret_place)
{
	uint64_t last = (uint64_t)slot + count - 1;
	const struct swap_files_row *row;

	if (!has_row(sf, last))
		return false;
	row = row_of(sf, slot);
	if (row->fd_above == 0 || !is_same_file(row, row_of(sf, last)))
		return false;
	*ret_place = (struct swap_place){
		.fd = row->fd_above - 1,
		.offset = (uint64_t)(slot - row->first) * SWAP_SLOT_BYTES,
	};
	return true;
}
