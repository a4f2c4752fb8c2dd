/* SPDX-License-Identifier: MIT */
/* The free and used slots of the swap store.  Runs are given out next-fit, so
 * pages that are evicted together lie together, and one request reads them
 * back.
 *
 * A page larger than 4 KiB needs several slots, which need not be neighbours.
 * The slots of a page form a chain (slots_next()), like the clusters of a file
 * in FAT.  So a fragmented store never refuses a page that it has room for.
 *
 *   free + used + quarantined == slot_count
 *
 * All state is in flat tables (common/table.h), linked by index. */
#ifndef MEMD_PAGER_SLOTS_H
#define MEMD_PAGER_SLOTS_H

#include "common/checks.h"
#include "common/table.h"
#include "daemon/pager/runtree.h"
#include <stdint.h>

/* Slot numbers begin with 1; 0 means "no slot".  Slot `s` is at index s - 1 of
 * the store. */
typedef uint32_t slot_id;
#define SLOT_NONE ((slot_id)0)

struct slots {
	/* One bit for each slot: used or quarantined. */
	struct table used_map;
	struct table bad_map;		/* one bit for each slot: quarantined */
	/* A slot_id for each slot; 0 ends a chain. */
	struct table next_table;
	struct runtree free_runs;	/* over used_map */
	uint32_t slot_count;
	uint32_t free_count;
	uint32_t used_count;
	uint32_t quarantined_count;
	uint32_t hint;			/* where the next search starts */
};

/* Returns 0, -EINVAL (no slots, or too many), or -errno of table_init(). */
int slots_init(struct slots *sl, uint32_t slot_count) MUST_CHECK;

/* Accepts a zeroed struct, and one whose init has failed. */
void slots_fini(struct slots *sl);

/* Take a run of `count` free neighbouring slots, or, if there is none, the
 * longest run there is.  Returns its length (0: the store is full), and the
 * first slot in *ret_first.  The slots are used, and not chained.  Time:
 * logarithmic in the number of slots, however full the store is. */
uint32_t slots_get_run(struct slots *sl, uint32_t count, slot_id *ret_first);

/* Take `count` slots, in as few runs as possible, and chain them in order.
 * Returns 0, or -ENOSPC and takes nothing. */
int slots_get_chain(struct slots *sl, uint32_t count, slot_id *ret_first)
	MUST_CHECK;

/* Chain the run [first, first + count) in order. */
void slots_chain_run(struct slots *sl, slot_id first, uint32_t count);

/* The next slot of the chain, or SLOT_NONE. */
slot_id slots_next(const struct slots *sl, slot_id slot);

/* Free the chain that starts at `first`. */
void slots_put_chain(struct slots *sl, slot_id first);

/* Never give out the chain's slots again: the medium has failed there. */
void slots_quarantine_chain(struct slots *sl, slot_id first);

/* Count everything again, and ASSERT the equation above. */
void slots_check(const struct slots *sl);

#endif
