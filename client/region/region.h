/* SPDX-License-Identifier: MIT */
/* The regions of one connection: a table, and an index that finds the region of
 * an address.  It does not map or unmap anything: see mapping.h and told.h.
 *
 * Threads: the library's thread alone writes.  Any thread may call
 * regions_find() and read the fields of the region, also in a signal handler,
 * as long as the region is mapped.  It is mapped as long as a thread may touch
 * it. */
#ifndef MEMD_CLIENT_REGION_REGION_H
#define MEMD_CLIENT_REGION_REGION_H

#include "client/region/uffd.h"
#include "proto/book.h"
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
	REGION_OWN_FAULTS = 8,
	REGION_NOTES = 16,		/* as many as there may be readers */
	REGION_BUCKETS = 2048,
};

/* free ──> live ──> joining ──> live
 *           │          │
 *           └──────────┴──────> lost
 *
 * joining: the connection broke, and the segment is being attached again.
 * lost: the segment cannot be attached again.  Pages that are mapped or present
 * stay right; a missing page is poisoned when it is touched. */
enum region_state { REGION_FREE, REGION_LIVE, REGION_JOINING, REGION_LOST };

/* A few pages to recognize when they are touched.  A new page replaces an old
 * one. */
struct region_notes {
	_Atomic uint64_t page[REGION_NOTES];	/* page + 1; 0: none */
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
	/* Identity of the data file: a new segment may. */
	dev_t file_dev;
	ino_t file_ino;		/* have the same name */

	uint64_t serial;	/* with a book: of the segment */
	size_t book_length;

	/* Written by the library's thread, read by any thread.  The book is
	 * NULL where only memd brings pages in; it stays mapped as long as the
	 * region, at book_map. */
	_Atomic(const struct book_entry *) book;
	const struct book_entry *book_map;

	/* Written by the library's thread, read by any thread.  After the
	 * region was added, only regions_set_segment() changes the segment. */
	_Atomic uint32_t state;
	_Atomic uint32_t segment;

	/* Written and read by any thread. */
	/* The daemon wants to know of a touch at once. */
	struct region_notes marks;
	/* Where the pages that we were told of end. */
	struct region_notes edges;
	_Atomic bool is_backward;	/* direction of the last reader */
	/* The pages of a Ready that the library's thread is mapping now. */
	_Atomic uint64_t ready_first, ready_end, ready_mark;
	/* The last pages that threads have brought in by themselves; hints. */
	_Atomic uint32_t own[REGION_OWN_FAULTS], own_next;
	/* Faults on missing pages since the last fault on a present one. */
	_Atomic uint32_t missing_run;

	/* Used only by the library's thread. */
	LIST_ENTRY(region) bucket_link;	/* in the index by segment */
	/* While joining: */
	uint64_t request_id;	/* of SegmentAttach; 0: not sent */
	uint64_t rejoin_ns;	/* do not send it before this time */
	uint64_t rejoin_pause_ns;	/* pause after the next refusal */
	struct region *next_free;
};

static inline size_t region_page_bytes(const struct region *r)
{
	return (size_t)1 << r->page_shift;
}

/* True if pages that are present in the data file surely have the bytes written
 * last.  A private file belongs to this process alone.  A shared file is
 * watched over by memd only while this session lives: without it, another
 * process may have died and left zeros there. */
static inline bool region_is_trusted(const struct region *r)
{
	return r->name[0] == '\0' ||
	       atomic_load_explicit(&r->state, memory_order_acquire) ==
			REGION_LIVE;
}

/* True if a thread was two and one step of this size before the page not long
 * ago: it goes on with such steps. */
bool region_is_stepping(struct region *r, uint64_t page);

/* A thread has faulted on this page. */
void region_note_own(struct region *r, uint64_t page);

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

/* An entry of the index by address, which is sorted by start.  [start, end). */
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

/* Regions are in chunks that never move.  The index by address exists twice:
 * while one copy is written, `sequence` sends readers to the other.  So a
 * reader in a signal handler never waits for the writer.  The index by segment
 * exists once, because only the library's thread reads it.  memd numbers
 * segments one after the other, so the numbers spread over the buckets by
 * themselves. */
struct regions {
	/* even: copy 0 is stable; odd: copy 1 */
	_Atomic uint32_t sequence;
	struct region_index index[2];
	struct region *chunk[REGION_CHUNKS_MAX];
	struct region_bucket bucket[REGION_BUCKETS];	/* by segment */
	size_t used_count;		/* regions ever given out */
	struct region *free;
	struct {
		struct region_entry *entries;
		size_t length;
	} outgrown[REGION_OUTGROWN_MAX];
	size_t outgrown_count;
};

void regions_init(struct regions *rs);

/* Unmap the tables.  The regions must be gone. */
void regions_fini(struct regions *rs);

/* Take a zeroed region, which is in no index yet.  0, -ENOMEM, or -EMFILE
 * (65536 are in use). */
int regions_get(struct regions *rs, struct region **ret_region) MUST_CHECK;
void regions_put(struct regions *rs, struct region *r);

/* Add the region to the indexes by address and by segment, or remove it.  0 or
 * -ENOMEM. */
int regions_add(struct regions *rs, struct region *r) MUST_CHECK;
void regions_remove(struct regions *rs, struct region *r);

/* A region in the indexes now belongs to another segment. */
void regions_set_segment(struct regions *rs, struct region *r,
			 uint32_t segment);

/* Walk over the live regions of a segment: `after` is NULL at first, then the
 * region returned last.  NULL at the end.  Costs nothing for regions of other
 * segments, except those in the same bucket.  Library's thread only; do not add
 * or remove regions meanwhile. */
struct region *regions_of_segment(struct regions *rs, uint32_t segment,
				  const struct region *after);

/* The region that holds `address`; NULL: none. */
struct region *regions_find(struct regions *rs, uintptr_t address);

/* Region number `idx` if it is in use, else NULL.  Library's thread only. */
struct region *regions_at(struct regions *rs, size_t idx);

/* Walk over the mapped regions in the order of addresses: i from 0 up, NULL at
 * the end.  Library's thread only; do not add or remove regions meanwhile. */
struct region *regions_nth(struct regions *rs, size_t i);

/* ASSERT that both copies of the index by address are equal, sorted and
 * disjoint, and that the index by segment has the same regions. */
void regions_check(struct regions *rs);

#endif
