/* SPDX-License-Identifier: MIT */
/* Readahead: brings in the pages that streams want. */
#ifndef MEMD_PAGER_AHEAD_H
#define MEMD_PAGER_AHEAD_H

#include "daemon/pager/intake.h"

/* A fault at `page`.  Returns the stream it belongs to, or NULL. */
struct stream *ahead_fault(struct pager *pg, segment_id segment, uint64_t page,
			   uint32_t client);
/* The reader is told of pages up to `count` steps further on, and is not heard
 * of until it gets there: count these pages as used. */
void ahead_expect(struct pager *pg, segment_id segment, struct stream *st,
		  uint32_t count);
/* Clients have mapped these pages without asking.  True if this has started
 * readahead. */
bool ahead_touched(struct pager *pg, segment_id segment, uint64_t first,
		   uint64_t count);
/* Set `in` to the pages that the stream wants, from its step `first` on, at
 * most one batch. */
void ahead_plan(const struct stream *st, uint32_t first, struct intake *in);
/* The pages of a load have come in: tell the clients of those that were read
 * ahead. */
void ahead_announce_load(struct pager *pg, const struct batch *b);
/* The reader does not chase any more: tell its client of what came in meanwhile
 * without a word. */
void ahead_tell_rest(struct pager *pg, segment_id segment, struct stream *st);
/* Read ahead for the queued segments, as far as possible.  True if it can go on
 * at once. */
bool ahead_run(struct pager *pg);
/* The segment goes: forget its streams. */
void ahead_forget(struct pager *pg, segment_id segment);

#endif
