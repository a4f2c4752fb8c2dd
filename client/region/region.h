/* SPDX-License-Identifier: MIT */
/* The regions of one connection, and which of them an address belongs to.
 * Does not map, unmap or ask for anything: see mapping.h and told.h.
 *
 * Threads: one writer, the handler.  regions_find() and the fields of a
 * region that it gives may be used by any thread, from a signal handler too,
 * as long as the region is mapped (which is as long as anybody has a reason
 * to ask). */
#ifndef MEMD_CLIENT_REGION_REGION_H
#define MEMD_CLIENT_REGION_REGION_H

#include "client/region/uffd.h"
#include "proto/limits.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

enum {
	REGIONS_PER_CHUNK = 256,
	REGION_CHUNKS_MAX = 256,
	REGION_OUTGROWN_MAX = 32,	/* two copies, doubling up to 65536 */
	REGION_NOTES = 16,		/* as many as there may be readers */
	REGION_BUCKETS = 2048,
};

/* free ──> live ──> joining ──> live
 *           │          │
 *           └──────────┴──────> lost
 *
 * joining: the connection broke, the segment is being attached again.
 * lost: it cannot be.  What is mapped or present stays right; what is missing
 * is poisoned when it is touched. */
enum region_state { REGION_FREE, REGION_LIVE, REGION_JOINING, REGION_LOST };

/* A few pages to be recognized when they are touched; any may be forgotten
 * for a newer one. */
struct region_notes {
	_Atomic uint64_t page[REGION_NOTES];	/* + 1; 0: none */
	_Atomic uint32_t next;
};

struct region {
	/* Constant while mapped. */
	uintptr_t start;
	size_t length;
	unsigned page_shift;
	uint16_t idx;
	bool is_inline;
	bool is_read_only;
	char name[WIRE_NAME_BYTES_MAX + 1];	/* "": private */
	dev_t file_dev;		/* of the data file: tells a segment from */
	ino_t file_ino;		/* another of the same name */

	/* Written by the handler, read by anybody.  Once the region has been
	 * added, only regions_set_segment() changes the segment. */
	_Atomic uint32_t state;
	_Atomic uint32_t segment;

	/* Written and read by anybody. */
	struct region_notes marks;	/* the daemon wants to know at once */
	struct region_notes edges;	/* where what we were told of ends */
	_Atomic bool is_backward;	/* how it was read last */
	/* What the handler is just mapping because of a Ready. */
	_Atomic uint64_t ready_first, ready_end, ready_mark;
	_Atomic uint32_t missing_run;	/* faults on missing pages since one
					 * was there */

	/* The handler's own. */
	LIST_ENTRY(region) bucket_link;	/* by segment */
	/* While joining: */
	uint64_t request_id;	/* of SegmentAttach; 0: not sent */
	uint64_t rejoin_ns;	/* do not send it before */
	uint64_t rejoin_pause_ns;	/* after the next refusal */
	struct region *next_free;
};

static inline size_t region_page_bytes(const struct region *r)
{
	return (size_t)1 << r->page_shift;
}

/* Is what is present in the data file surely what was written last?  A private
 * file is this program's alone.  What others share is looked after by memd only
 * while this session lives: without it somebody's death may have put zeros
 * there. */
static inline bool region_is_trusted(const struct region *r)
{
	return r->name[0] == '\0' ||
	       atomic_load_explicit(&r->state, memory_order_acquire) ==
			REGION_LIVE;
}

static inline uint64_t region_page_count(const struct region *r)
{
	return r->length >> r->page_shift;
}

static inline uint64_t region_page_at(const struct region *r, uintptr_t address)
{
	return (address - r->start) >> r->page_shift;
}

static inline uintptr_t region_page_start(const struct region *r, uint64_t page)
{
	return r->start + (page << r->page_shift);
}

/* One generation of the address index: sorted by start, half-open. */
struct region_entry {
	_Atomic uintptr_t start, end;
	_Atomic(struct region *) region;
};

struct region_index {
	_Atomic(struct region_entry *) entries;
	_Atomic size_t count;
	size_t capacity;
};

LIST_HEAD(region_bucket, region);

/* Regions stand in chunks that never move.  The index by address exists twice:
 * while one copy is written, `sequence` sends readers to the other, so a reader
 * in a signal handler never waits for the writer.  The index by segment exists
 * once: only the handler reads it.  memd numbers segments one after the other,
 * so the number itself spreads them over the buckets. */
struct regions {
	_Atomic uint32_t sequence;	/* even: copy 0 is stable, odd: 1 */
	struct region_index index[2];
	struct region *chunk[REGION_CHUNKS_MAX];
	struct region_bucket bucket[REGION_BUCKETS];	/* by segment */
	size_t used_count;		/* ever handed out */
	struct region *free;
	struct {
		struct region_entry *entries;
		size_t length;
	} outgrown[REGION_OUTGROWN_MAX];
	size_t outgrown_count;
};

void regions_init(struct regions *rs);

/* Unmaps the tables (the regions must be gone). */
void regions_fini(struct regions *rs);

/* A zeroed region, not yet found by its address.  -ENOMEM, -EMFILE (65536
 * are in use). */
int regions_get(struct regions *rs, struct region **ret_region) MUST_CHECK;
void regions_put(struct regions *rs, struct region *r);

/* Let it be found, by its address and by its segment, or not any more.  0 or
 * -ENOMEM. */
int regions_add(struct regions *rs, struct region *r) MUST_CHECK;
void regions_remove(struct regions *rs, struct region *r);

/* A region that has been added has become one of another segment. */
void regions_set_segment(struct regions *rs, struct region *r,
			 uint32_t segment);

/* The live regions of a segment: `after` is NULL for the first one, then the
 * one that was returned last.  NULL at the end.  Other segments' regions cost
 * nothing.  Handler only; do not add or remove meanwhile. */
struct region *regions_of_segment(struct regions *rs, uint32_t segment,
				  const struct region *after);

/* The region that holds `address`, NULL if none does. */
struct region *regions_find(struct regions *rs, uintptr_t address);

/* The region number `idx` if it is mapped, else NULL.  Handler only. */
struct region *regions_at(struct regions *rs, size_t idx);

/* Walk what is mapped, by address: i from 0 up, NULL at the end.  Handler
 * only; do not add or remove meanwhile. */
struct region *regions_nth(struct regions *rs, size_t i);

/* ASSERT that both copies of the index by address are the same, sorted and
 * disjoint, and that the index by segment has the same regions. */
void regions_check(struct regions *rs);

#endif
