/* SPDX-License-Identifier: MIT */
/* What is looked at once a second: rates, starvation, other hosts that keep
 * pages (store_watch.h), and data files that a client has filled past the
 * pager.  And, in the turn, data files whose lock a client keeps. */
#ifndef MEMD_ADMIN_WATCH_H
#define MEMD_ADMIN_WATCH_H

struct daemon;

void watch_tick(struct daemon *d);

/* Segments whose data file did not let go of its pages, or lost them, are given
 * up. */
void watch_spoiled_files(struct daemon *d);

#endif
