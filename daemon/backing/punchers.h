/* SPDX-License-Identifier: MIT */
/* Punchers: helper processes that take memory out of files, so that a file
 * whose lock somebody keeps cannot keep memd.
 *
 * fallocate(PUNCH_HOLE) takes the file's inode lock and waits for it beyond
 * the reach of any signal.  write(2) holds that lock while it reads its source;
 * a source whose page faults are never answered holds it for ever.  So one
 * process punches for memd, and when it does not come back it is left to its
 * punch and the next one takes over.
 *
 * A process and not a thread: a process with one thread in such a wait cannot
 * end, keeps its sockets open and its memory in use.  The first ones are made
 * before there is anything to inherit, and who comes in the place of one that
 * was killed runs the program anew: only what is sent to them can ever be stuck
 * with them.
 *
 *   N1  A puncher works on descriptors of its own.  What a late punch hits is
 *       the file it was meant for, whatever has become of memd's numbers.
 *   N2  A puncher is given up only when it has been seen in one and the same
 *       uninterruptible sleep for all its patience.  A busy machine makes it
 *       runnable, not asleep; so time alone never decides.
 *   N3  A stuck puncher gets no other work until its punch has returned, and
 *       then forgets every file before it gets any.  Nor does it go on with
 *       the work it had: each punch is claimed before it is made, and what is
 *       claimed by nobody is taken from it and done by another.
 *   N4  Owners who keep one stuck are distrusted as long: their other files get
 *       little patience, the last free punchers are not risked for them, and
 *       shunned files get none.  So one owner costs the others one wait, not
 *       one for each of its files, and never all punchers.
 *
 * Threads: one.  Nothing here knows segments or faults. */
#ifndef MEMD_BACKING_PUNCHERS_H
#define MEMD_BACKING_PUNCHERS_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>

struct punchers;

enum { PUNCHERS = 8 };

/* What to punch, and what came of it: 0; -errno of fallocate(2); -ETIMEDOUT:
 * somebody keeps the lock, the file is held from now on, and the punch will
 * happen at some time; -EAGAIN: it was not tried (N4, the file is held, or no
 * puncher is left). */
struct punch {
	uint32_t file;		/* the caller's number for it: 1 … files_max */
	uint32_t owner;		/* whom to blame, for example a uid */
	int fd;
	uint64_t offset, length;
	bool is_shunned;	/* not while its owner is distrusted */
	uint64_t next_data;	/* answer: the first byte at or after `offset`
				 * that is there afterwards; UINT64_MAX: none */
	int error;		/* answer */
};

/* has_helpers false: no processes, punch here; for those who alone have the
 * files they punch.  One is enough to begin with, the others are tried for
 * again.  Returns 0, or -ENOMEM, -EAGAIN (no more processes), -EMFILE. */
int punchers_create(uint32_t files_max, bool has_helpers,
		    struct punchers **ret_punchers) MUST_CHECK;

/* Waits for no puncher that is stuck: it ends when its punch returns. */
void punchers_destroy(struct punchers *ps);

enum { PUNCHES_MAX = 64 };

/* Punch all, each as if it were alone.  One handover, where nothing is
 * stuck: about 5 us. */
void punchers_punch(struct punchers *ps, struct punch *punch, unsigned count);

/* The number may mean another file after this. */
void punchers_forget(struct punchers *ps, uint32_t file);

/* Is a punch of this file stuck? */
bool punchers_is_held(const struct punchers *ps, uint32_t file);

/* Is a punch of any of this owner's files stuck, gone ones included? */
bool punchers_is_blamed(const struct punchers *ps, uint32_t owner);

/* Look after the stuck ones, and make new ones in the place of those that have
 * ended, each place once a second at most; returns how many have come back. */
unsigned punchers_poll(struct punchers *ps);

/* How many are stuck. */
unsigned punchers_stuck_count(const struct punchers *ps);

/* How many have ended and could not be made again yet. */
unsigned punchers_missing_count(const struct punchers *ps);

/* How many were made in the place of others, since the beginning. */
uint64_t punchers_renewed_count(const struct punchers *ps);

#endif
