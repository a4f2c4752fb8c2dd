/* SPDX-License-Identifier: MIT */
/* What the daemon tells of a region's pages: which are present and can be
 * mapped, and which are marks, whose touch it wants to know of.  This file
 * knows page numbers, but no messages.
 *
 * Threads: any; async-signal-safe. */
#ifndef MEMD_CLIENT_REGION_TOLD_H
#define MEMD_CLIENT_REGION_TOLD_H

#include "client/region/region.h"

#define TOLD_NO_PAGE UINT64_MAX

/* Pages [first, first + count), without `mark`, which must stay unmapped.
 * TOLD_NO_PAGE: there is no mark. */
struct told {
	uint64_t first, count, mark;
};

/* Map the pages that a FaultReply for the page at `address` names, as far as
 * they are inside the region and near the page.  Returns the outcome for the
 * unit at `address`; other units of a large page may not be ours. */
enum uffd_outcome told_map_reply(struct region *r, int uffd,
			     uintptr_t address, const struct told *told);

/* Map the pages that a Ready names. */
void told_map_ready(struct region *r, int uffd, const struct told *told);

/* Map the page at `address`, which is present.  If the library's thread is
 * about to map its neighbours because of a Ready, map some of them too:
 * otherwise a reader in order would meet page after page before the library's
 * thread.  Returns the outcome for the unit at `address`. */
enum uffd_outcome told_map_minor(struct region *r, int uffd,
				 uintptr_t address);

/* True, once, if the page is a mark: the daemon must be told that it was
 * touched. */
bool told_take_mark(struct region *r, uint64_t page);

/* True, once, if a reader has come to the end of the pages that we were told
 * of, or a little further.  The daemon may know of more pages, so it is better
 * to ask, even if the page is present. */
bool told_take_edge(struct region *r, uint64_t page);

/* True if the page is most likely missing, because the last ones were.  It is
 * then better to ask the daemon than the kernel, which takes a microsecond to
 * say so.  False from time to time, to check whether pages are still
 * missing. */
bool told_expects_missing(struct region *r, uint64_t page);

/* A thread has found that the page was missing, or present. */
void told_note_missing(struct region *r, bool is_missing);

#endif
