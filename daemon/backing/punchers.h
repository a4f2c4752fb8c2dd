/* SPDX-License-Identifier: MIT */
/* Punchers: helper processes that take memory out of data files.  A client that
 * holds the lock of a file blocks a puncher, and not memd.
 *
 * fallocate(PUNCH_HOLE) takes the file's inode lock, and no signal can end its
 * wait for the lock.  write(2) holds that lock while it reads its source.  If
 * page faults on the source are never answered, it holds the lock for ever.  So
 * one process punches for memd.  If it does not come back, memd leaves it to
 * its punch, and the next process takes over.
 *
 * A puncher is a process and not a thread.  A process with a thread in such a
 * wait cannot end, and keeps its sockets open and its memory in use.  The first
 * punchers are made before memd has anything that they could inherit.  A
 * puncher that replaces a killed one runs the program again.  So a stuck
 * puncher keeps nothing but what was sent to it.
 *
 *   N1  A puncher works on descriptors of its own.  So a late punch hits the
 *       right file, whatever memd's numbers mean by then.
 *   N2  A puncher counts as stuck only if it was in one and the same
 *       uninterruptible sleep for the whole patience.  On a busy machine it is
 *       runnable, not asleep, so slowness alone never counts.
 *   N3  A stuck puncher gets no work until its punch has returned; then it
 *       forgets every file before it gets any.  It does not go on with its old
 *       request either: each punch is claimed before it is made, and another
 *       puncher makes the punches that nobody has claimed.
 *   N4  An owner is distrusted while a punch of its files is stuck.  Its other
 *       files get little patience, and none if they are shunned.  The last free
 *       punchers are not risked for it.  So one owner costs the others one
 *       wait, not one for each of its files, and never all punchers.
 *
 * Threads: one.  This module does not know segments or faults. */
#ifndef MEMD_BACKING_PUNCHERS_H
#define MEMD_BACKING_PUNCHERS_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>

struct punchers;

enum { PUNCHERS = 8 };

/* One punch and its result.  error: 0; -errno of fallocate(2); -ETIMEDOUT: the
 * lock is held, the file is *held* from now on, and the punch will happen at
 * some time; -EAGAIN: it was not tried, because of N4, because the file is
 * held, or because there is no puncher. */
struct punch {
	/* The caller's number of the file: 1 … files_max. */
	uint32_t file;
	uint32_t owner;		/* who is blamed, for example a uid */
	int fd;
	uint64_t offset, length;
	bool is_shunned;	/* do not try while its owner is distrusted */
	/* Result: the first byte at or after `offset` where there is data after
	 * the punch; UINT64_MAX: none. */
	uint64_t next_data;
	int error;		/* result */
};

/* has_helpers false: no processes; memd punches itself.  This is for an engine
 * whose files no other process has.  One process is enough to begin with; memd
 * tries again to start the others.  Returns 0, or -ENOMEM, -EAGAIN (no more
 * processes), -EMFILE. */
int punchers_create(uint32_t files_max, bool has_helpers,
		    struct punchers **ret_punchers) MUST_CHECK;

/* Does not wait for stuck punchers: their processes end when their punches
 * return. */
void punchers_destroy(struct punchers *ps);

enum { PUNCHES_MAX = 64 };

/* Punch all; each result is independent of the others.  If nothing is stuck
 * this is one handover: about 5 us. */
void punchers_punch(struct punchers *ps, struct punch *punch, unsigned count);

/* The number may mean another file after this. */
void punchers_forget(struct punchers *ps, uint32_t file);

/* True if a punch of this file is stuck. */
bool punchers_is_held(const struct punchers *ps, uint32_t file);

/* True if a punch of a file of this owner is stuck, also of a file that is
 * gone. */
bool punchers_is_blamed(const struct punchers *ps, uint32_t owner);

/* Look after stuck punchers, and replace those that have ended, each at most
 * once a second.  Returns how many stuck ones have come back. */
unsigned punchers_poll(struct punchers *ps);

/* How many punchers are stuck. */
unsigned punchers_stuck_count(const struct punchers *ps);

/* How many punchers have ended and could not be replaced yet. */
unsigned punchers_missing_count(const struct punchers *ps);

/* How many punchers were made to replace others, since the start. */
uint64_t punchers_renewed_count(const struct punchers *ps);

#endif
