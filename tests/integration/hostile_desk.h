/* SPDX-License-Identifier: MIT */
/* What a client may do to its desk, and to the data file of its segment, to
 * harm others.  Each is one blow; who calls them says how many there are, and
 * what is seen of it. */
#ifndef MEMD_TESTS_HOSTILE_DESK_H
#define MEMD_TESTS_HOSTILE_DESK_H

#include "tests/integration/desk_client.h"

struct hostile_desk {
	struct desk_client dc;
	uint32_t pages;		/* of its segment */
	uint64_t rng;
	unsigned kept;		/* how often it was told to keep credits */
};

/* Say that all threads fault pages in, and never that they are done; and tell
 * memd to take these pages out. */
void hostile_desk_hold_intents(struct hostile_desk *hd);

/* Anything, anywhere. */
void hostile_desk_scribble(struct hostile_desk *hd);

/* Say that pages are there, or about to be, in segments of whoever it is, and
 * that no cell is lent. */
void hostile_desk_lie(struct hostile_desk *hd);

/* Say at first that all credits are used, which brings more, and then that each
 * is about to be. */
void hostile_desk_keep(struct hostile_desk *hd);

enum { HOSTILE_PAST_PAGES = DESK_CREDITS };

/* Put so many first pages into the data file without a credit: half of them
 * zeros, half of them bytes.  None may be there.  memd sees it when it takes a
 * page of the segment out, or when it is told of one. */
void hostile_desk_install(struct hostile_desk *hd);

/* A userfaultfd of this process, or -1; and memory of the file (-1: of none)
 * that is registered with it. */
int hostile_desk_open_uffd(int flags);
void *hostile_desk_map_missing(int uffd, int fd, size_t bytes);

#endif
