/* SPDX-License-Identifier: MIT */
/* What the daemon says of a region's pages: which are there and can be mapped,
 * and which of them it wants to hear of when they are touched.  Knows no
 * messages: page numbers only.
 *
 * Threads: any; async-signal-safe. */
#ifndef MEMD_CLIENT_REGION_TOLD_H
#define MEMD_CLIENT_REGION_TOLD_H

#include "client/region/region.h"

#define TOLD_NO_PAGE UINT64_MAX

/* Pages [first, first + count), of which `mark` is to be left unmapped;
 * TOLD_NO_PAGE: none. */
struct told {
	uint64_t first, count, mark;
};

/* Map what a FaultReply for the page at `address` says, cut to what is inside
 * the region and near the page.  Returns the outcome for the unit at
 * `address`: others of a large page may not be ours. */
enum uffd_outcome told_map_reply(struct region *r, int uffd,
			     uintptr_t address, const struct told *told);

/* The same for pages that nobody has asked for. */
void told_map_ready(struct region *r, int uffd, const struct told *told);

/* Map the page at `address`, which is there.  If the handler is about to map
 * its neighbours, and has not come to it yet, some of them, too: who reads in
 * order would else be behind it, page after page.  Returns the outcome for the
 * unit at `address`. */
enum uffd_outcome told_map_minor(struct region *r, int uffd,
				 uintptr_t address);

/* Is the page a mark: is the daemon to be told that it was touched?  True once
 * for each. */
bool told_take_mark(struct region *r, uint64_t page);

/* Has somebody come to the end of what we were told of, or a little further?
 * The daemon may know of more, so it is better asked, even if the page is
 * there.  True once for each. */
bool told_take_edge(struct region *r, uint64_t page);

/* Is the page most likely missing, because all were for long?  Then the daemon
 * is better asked than the kernel, which takes a microsecond to say so.  False
 * now and then, to look whether that is still true. */
bool told_expects_missing(struct region *r, uint64_t page);

/* A thread has looked: the page was missing, or it was not. */
void told_note_missing(struct region *r, bool is_missing);

#endif
