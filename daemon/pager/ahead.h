/* SPDX-License-Identifier: MIT */
/* Readahead: brings in what streams want. */
#ifndef MEMD_PAGER_AHEAD_H
#define MEMD_PAGER_AHEAD_H

#include "daemon/pager/intake.h"

/* A fault at `page`: the stream it belongs to, or NULL. */
struct stream *ahead_fault(struct pager *pg, segment_id segment, uint64_t page,
			   uint32_t client);
/* A reader who chases is told of pages up to `count` steps further on. */
void ahead_expect(struct pager *pg, segment_id segment, struct stream *st,
		  uint32_t count);
/* Returns true when that has set off readahead. */
bool ahead_touched(struct pager *pg, segment_id segment, uint64_t first,
		   uint64_t count);
/* What the stream wants from its step `first` on, as far as one batch goes. */
void ahead_plan(const struct stream *st, uint32_t first, struct intake *in);
/* The pages of a load have come in: tell of those that nobody has asked for. */
void ahead_announce_load(struct pager *pg, const struct batch *b);
/* Serve all that are queued, as far as it goes.  Returns true when it can go on
 * at once. */
bool ahead_run(struct pager *pg);
/* The segment goes. */
void ahead_forget(struct pager *pg, segment_id segment);

#endif
