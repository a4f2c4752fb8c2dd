/* SPDX-License-Identifier: MIT */
/* The slots of the swap store, and the areas that they belong to.
 *
 * An area is the slots of one owner.  It is a row of files; each is a run of
 * slot numbers, and grows and ends as a whole.  Numbers are given to files in
 * aligned regions, whose sizes are powers of two, so that a region is one node
 * of the tree of free runs.  There are more numbers than there may be slots.
 *
 * Runs are given out next-fit in a file, so pages that are evicted together lie
 * together, and one request reads them back.
 *
 * A page larger than 4 KiB needs several slots, which need not be neighbours.
 * The slots of a page form a chain (slots_next()), like the clusters of a file
 * in FAT.  So a fragmented area never refuses a page that it has room for.
 *
 *   free + used + quarantined == slot_count, for each area and in all
 *
 * All state is in flat tables (common/table.h), linked by index. */
#ifndef MEMD_PAGER_SLOTS_H
#define MEMD_PAGER_SLOTS_H

#include "common/checks.h"
#include "common/table.h"
#include "daemon/pager/pager.h"
#include "daemon/pager/runtree.h"
#include <stdbool.h>
#include <stdint.h>

/* Slot numbers begin with 1; 0 means "no slot".  Slot `s` is at index s - 1 of
 * the store. */
typedef uint32_t slot_id;
#define SLOT_NONE ((slot_id)0)

typedef uint32_t file_id;	/* 0: no file */

/* The smallest region.  A file may be smaller. */
enum { SLOTS_REGION = RUNTREE_LEAF_BITS };

struct slot_counts {
	uint32_t all, free, used, quarantined;
};

struct slot_area {
	bool is_used;
	file_id first_file;
	file_id hint;			/* where the next search starts */
	struct slot_counts count;
	/* Kept by the pager: the units of the area's segments, each of which
	 * may need a slot. */
	uint64_t committed_units;
};

struct slot_file {
	area_id area;
	file_id next;			/* of its area, or of the free ones */
	uint32_t region, region_slots;	/* index of the first slot */
	uint32_t slot_count;
	uint32_t free_count;
	uint32_t hint;			/* where the next search starts */
	/* Slots that were written once, or never will be.  When all are, the
	 * file is *filled*: no write into it allocates anything any more. */
	uint32_t written_count;
	bool is_queued;			/* to be filled, */
	uint32_t fill_end;		/* before this index */
	file_id queue_next;
};

struct slots {
	/* One bit for each number: the slot of a file, neither used nor
	 * quarantined. */
	struct table free_map;
	struct table bad_map;		/* one bit for each: quarantined */
	struct table written_map;	/* one bit for each: written once, or
					 * quarantined */
	/* A slot_id for each number; 0 ends a chain. */
	struct table next_table;
	/* A file_id for each region of the smallest size. */
	struct table region_table;
	struct table area_table, file_table;
	struct runtree free_runs;	/* over free_map */
	uint32_t number_count;
	uint32_t region_hint;		/* where the next search starts */
	area_id areas_max;
	area_id area_free;
	file_id file_free;
	file_id filling;		/* the first file to be filled; they are
					 * linked by queue_next */
	struct slot_counts count;
};

/* The largest file, in slots: 1 GiB.  The only file of a store that needs no
 * areas may be larger. */
enum { SLOTS_FILE_MAX = 1 << 18 };

/* How many numbers there are for `slot_count` slots in areas_max areas. */
uint32_t slots_numbers(uint32_t slot_count, area_id areas_max);

/* Make room for the numbers of up to `slot_count` slots in areas_max areas; no
 * area exists yet.  Returns 0, -EINVAL (no slots, or too many), or -errno of
 * table_init(). */
int slots_init(struct slots *sl, uint32_t slot_count, area_id areas_max)
	MUST_CHECK;

/* Accepts a zeroed struct, and one whose init has failed. */
void slots_fini(struct slots *sl);

/* Returns 0 (no error) when all areas_max areas exist. */
area_id slots_add_area(struct slots *sl);
/* No slot of it is used.  Its files end. */
void slots_remove_area(struct slots *sl, area_id area);

static inline struct slot_area *slots_area(const struct slots *sl, area_id id)
{
	ASSERT(id != 0 && id <= sl->areas_max);
	return (struct slot_area *)sl->area_table.base + id;
}

/* Give the area `count` more slots.  Returns 0 and the index of the first one,
 * or -ENOSPC: no region is free. */
int slots_add_file(struct slots *sl, area_id area, uint32_t count,
		   uint32_t *ret_first) MUST_CHECK;

/* The largest file of the area of which no slot is used, and which is not
 * larger than `most`.  Returns its number of slots, and the index of the first
 * one; 0: there is none. */
uint32_t slots_find_unused(const struct slots *sl, area_id area, uint32_t most,
			   uint32_t *ret_first);

/* Take away the file whose first slot has this index.  No slot of it is
 * used. */
void slots_remove_file(struct slots *sl, uint32_t first);

/* Take a run of `count` free neighbouring slots of the area, or, if there is
 * none, the longest run there is.  Returns its length (0: the area is full),
 * and the first slot in *ret_first.  The slots are used, and not chained.
 * Time: logarithmic in the size of a file, and linear in the number of files
 * of the area that are full. */
uint32_t slots_get_run(struct slots *sl, area_id area, uint32_t count,
		       slot_id *ret_first);

/* Take `count` slots, in as few runs as possible, and chain them in order.
 * Returns 0, or -ENOSPC and takes nothing. */
int slots_get_chain(struct slots *sl, area_id area, uint32_t count,
		    slot_id *ret_first) MUST_CHECK;

/* Chain the run [first, first + count) in order. */
void slots_chain_run(struct slots *sl, slot_id first, uint32_t count);

/* The next slot of the chain, or SLOT_NONE. */
slot_id slots_next(const struct slots *sl, slot_id slot);

/* True if slots a and a + 1 are in one file, so that one request can move
 * both. */
bool slots_are_joined(const struct slots *sl, slot_id a);

/* Free the chain that starts at `first`. */
void slots_put_chain(struct slots *sl, slot_id first);

/* Never give out the chain's slots again: the medium has failed there. */
void slots_quarantine_chain(struct slots *sl, slot_id first);

/* ---- files that are filled */

/* The slot was written well.  Returns true if that has filled its file; the
 * index of the file's first slot is in *ret_file. */
bool slots_note_written(struct slots *sl, slot_id slot, uint32_t *ret_file);

/* Take a run of free slots that were never written, `most` at most, of a file
 * of which most slots were.  Returns its length; 0: there is none. */
uint32_t slots_take_unwritten(struct slots *sl, uint32_t most,
			      slot_id *ret_first);

/* True if all slots of the file with this first slot were written once. */
bool slots_is_filled(const struct slots *sl, uint32_t first);

/* Count everything again, and ASSERT the equation above. */
void slots_check(const struct slots *sl);

/* The area of the file with this first slot. */
area_id slots_file_area(const struct slots *sl, uint32_t first);

/* ---- for slots.c, slot_files.c and slots_check.c alone */

static inline uint64_t *slots_free_map(const struct slots *sl)
{
	return sl->free_map.base;
}

static inline uint64_t *slots_bad_map(const struct slots *sl)
{
	return sl->bad_map.base;
}

static inline uint64_t *slots_written_map(const struct slots *sl)
{
	return sl->written_map.base;
}

static inline struct slot_file *slots_file(const struct slots *sl, file_id id)
{
	return (struct slot_file *)sl->file_table.base + id;
}

/* The file that has the slot with this index; 0: none has it. */
static inline file_id slots_file_at(const struct slots *sl, uint32_t idx)
{
	return ((const file_id *)sl->region_table.base)[idx / SLOTS_REGION];
}

/* The file is removed: it need not be filled. */
void slots_fill_forget(struct slots *sl, file_id id);

/* Indexes [first, first + count), of one file, become free, or are not free any
 * more. */
void slots_mark(struct slots *sl, uint32_t first, uint32_t count, bool is_free);

#endif
