/* SPDX-License-Identifier: MIT */
/* Records: in which order the pages of a segment came to be used, for a later
 * replay (replay.h).  A record belongs to its segment and goes with it; a
 * named segment keeps it for the next program.
 *
 * A record is open while it takes pages.  There are RECORDS_MAX at most; then
 * the oldest of the user who has the most makes room, so that nobody loses his
 * to somebody who collects them.
 *
 *   count == records on the list == segments whose `record` is not NULL
 *   open_count == those of them that are open */
#ifndef MEMD_SERVE_RECORD_H
#define MEMD_SERVE_RECORD_H

#include "common/checks.h"
#include "common/page_order.h"
#include <stdint.h>
#include <sys/queue.h>

struct segment;

enum {
	RECORDS_MAX = 64,
	RECORD_PAGES_MAX = 64 * 1024,
};

struct record {
	struct segment *segment;
	uint64_t first, count;		/* only these pages are noted */
	struct page_order order;
	TAILQ_ENTRY(record) link;
};

struct records {
	TAILQ_HEAD(, record) all;	/* oldest first */
	uint32_t count, open_count;
};

void records_init(struct records *rs);
void records_fini(struct records *rs);

/* Begin anew with pages [first, first + count) of the segment: what it had
 * recorded before is forgotten.  0, or -ENOMEM: the old record stays. */
int record_start(struct records *rs, struct segment *segment, uint64_t first,
		 uint64_t count) MUST_CHECK;

/* Pages [first, first + count) came in, or were touched for the first time in
 * a while.  Costs next to nothing where nothing is recorded. */
void record_note(struct records *rs, struct segment *segment, uint64_t first,
		 uint64_t count);

/* Close the segment's record if it is about pages of this range. */
void record_stop(struct records *rs, struct segment *segment, uint64_t first,
		 uint64_t count);

/* The segment goes: so does its record, if it has one. */
void record_drop(struct records *rs, struct segment *segment);

#endif
