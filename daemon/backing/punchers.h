/* SPDX-License-Identifier: MIT */
/* Punchers: helper processes that take memory out of data files, and truncate
 * swap files that have ended.  A client that holds the lock of a file blocks a
 * puncher, and not memd.
 *
 * fallocate(PUNCH_HOLE) takes the file's inode lock, and no signal can end its
 * wait for the lock.  write(2) holds that lock while it reads its source.  If
 * page faults on the source are never answered, it holds the lock for ever.  So
 * other processes punch for memd.  One that does not come back is left to its
 * punch, and another takes its place.  ftruncate(2) of a file that is read with
 * O_DIRECT waits in the same way.
 *
 * A puncher is a process and not a thread.  A process with a thread in such a
 * wait cannot end, and keeps its sockets open and its memory in use.  The first
 * punchers are made before memd has anything that they could inherit.  Those
 * that are made later run the program again.  So a stuck puncher keeps nothing
 * but what was sent to it.
 *
 *   N1  A puncher works on descriptors of its own.  So a late punch hits the
 *       right file, whatever memd's numbers mean by then.
 *   N2  A puncher that is BUSY gets work of the same user only, and all that
 *       user's work: one user can keep one puncher.
 *   N3  As many as are to be kept are not stuck, or will be there at the next
 *       look.  If none is READY when one is needed, another is made at once.
 *       There are never more than PUNCHERS_MAX.
 *
 * Those for data files and those for swap files are apart: whoever keeps one of
 * the latter does not keep anybody's pages in memory.
 *
 * Threads: one.  This module does not know segments or faults. */
#ifndef MEMD_BACKING_PUNCHERS_H
#define MEMD_BACKING_PUNCHERS_H

#include "common/checks.h"
#include "daemon/backing/puncher.h"
#include <stdbool.h>
#include <stdint.h>

struct punchers;

/* PUNCHERS_KEPT: for data files. */
enum { PUNCHERS_KEPT = 4, PUNCHERS_MAX = 64 };

/* Without `least` processes there are no punchers; memd tries again to start
 * the others of `kept`.  Returns 0, or -ENOMEM, -EAGAIN (no more processes),
 * -EMFILE. */
int punchers_create(uint32_t files_max, unsigned least, unsigned kept,
		    struct punchers **ret_punchers) MUST_CHECK;

/* Does not wait for BUSY punchers: their processes end when their punches
 * return. */
void punchers_destroy(struct punchers *ps);

/* Becomes readable when punches are done. */
int punchers_event_fd(const struct punchers *ps);

/* Have the punches made for `user`.  *ret_puncher works on them; is_lent,
 * *ret_first: as in puncher_post().  Returns 0, or -EAGAIN: there is no puncher
 * for them. */
int punchers_punch(struct punchers *ps, uint32_t user,
		   const struct punch *punch, unsigned count, bool is_lent,
		   struct puncher **ret_puncher, uint32_t *ret_first)
	MUST_CHECK;

/* See what is done: puncher_look() for all. */
void punchers_look(struct punchers *ps);

/* The number means another file from now on, or none. */
void punchers_forget(struct punchers *ps, uint32_t file);

/* Call once a second: replaces punchers that have ended, each at most once a
 * second, and keeps as many ready as are to be kept.  One that has ended is
 * DEAD then: what it had to do may be done or not. */
void punchers_poll(struct punchers *ps);

/* How many of those that are to be kept could not be made. */
unsigned punchers_missing_count(const struct punchers *ps);

/* How many punchers were made to replace others, since the start. */
uint64_t punchers_renewed_count(const struct punchers *ps);

#endif
