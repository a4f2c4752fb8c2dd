/* SPDX-License-Identifier: MIT */
/* Which slots are free.  Runs are handed out next-fit, so pages evicted
 * together lie together and read back in one request.
 *
 * A page larger than 4 KiB needs several slots; they need not be neighbours:
 * the slots of one page form a chain (slots_next), as clusters of a file do
 * in FAT, so a fragmented store never refuses a page it has room for.
 *
 *   free + used + quarantined == slot_count
 *
 * All state lies in flat tables (table.h), linked by index. */
#ifndef MEMD_PAGER_SLOTS_H
#define MEMD_PAGER_SLOTS_H

#include "common/checks.h"
#include "common/table.h"
#include "daemon/pager/runtree.h"
#include <stdint.h>

/* Slot numbers here are 1-based in the sense that 0 means "no slot": slot
 * `s` lies at index s - 1 of the store. */
typedef uint32_t slot_id;
#define SLOT_NONE ((slot_id)0)

struct slots {
	struct table used_map;		/* a bit a slot: used or quarantined */
	struct table bad_map;		/* a bit a slot: quarantined */
	struct table next_table;	/* slot_id a slot; 0 ends a chain */
	struct runtree free_runs;	/* over used_map */
	uint32_t slot_count;
	uint32_t free_count;
	uint32_t used_count;
	uint32_t quarantined_count;
	uint32_t hint;			/* where the next search starts */
};

/* Returns 0, -EINVAL (no slots), or -errno of table_init(). */
int slots_init(struct slots *sl, uint32_t slot_count) MUST_CHECK;

/* Accepts a zeroed or failed struct. */
void slots_fini(struct slots *sl);

/* Take up to `count` neighbouring free slots: exactly `count` when any such
 * run exists, else the longest run there is.  Returns how many were taken
 * (0: the store is full) and the first in *ret_first.  They are used, and
 * unchained.  Time: logarithmic in the number of slots, however full. */
uint32_t slots_get_run(struct slots *sl, uint32_t count, slot_id *ret_first);

/* Take `count` slots, in as few runs as possible, chained in order.
 * Returns 0, or -ENOSPC with nothing taken. */
int slots_get_chain(struct slots *sl, uint32_t count, slot_id *ret_first)
	MUST_CHECK;

/* Link the run [first, first + count) into one chain in order. */
void slots_chain_run(struct slots *sl, slot_id first, uint32_t count);

/* The next slot of the chain, or SLOT_NONE. */
slot_id slots_next(const struct slots *sl, slot_id slot);

/* Give the chain that starts at `first` back. */
void slots_put_chain(struct slots *sl, slot_id first);

/* Never hand out the chain's slots again: the medium failed there. */
void slots_quarantine_chain(struct slots *sl, slot_id first);

/* Recount everything; ASSERTs the equation above. */
void slots_check(const struct slots *sl);

#endif
