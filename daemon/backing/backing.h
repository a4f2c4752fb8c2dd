/* SPDX-License-Identifier: MIT */
/* Data files: one sealed memfd for each segment.  Its present pages are the
 * frames.  Only this module installs pages (UFFDIO_COPY into the daemon's
 * alias) and takes them out (splice, punch, read).  The pager decides which.
 *
 * Threads: one, and helper processes (punchers.h).  Blocks while the kernel
 * copies pages.  If a client holds the lock of its file, blocks once for
 * seconds. */
#ifndef MEMD_BACKING_BACKING_H
#define MEMD_BACKING_BACKING_H

#include "daemon/pager/pager.h"

struct backing;

/* Returns 0, or -ENOSYS, -EPERM or -EACCES (no userfaultfd), -EPERM (too little
 * memory for pipes), -EOPNOTSUPP (kernel older than 5.14), -ENOMEM, -EMFILE,
 * -ENFILE, -EAGAIN (no more processes).  Call this early: the helper processes
 * inherit the memory of the process.
 *
 * has_helpers  false: all processes that get a descriptor of a file are trusted
 *              not to hold its lock (punchers.h). */
int backing_create(uint32_t segments_max, bool has_helpers,
		   struct backing **ret_backing) MUST_CHECK;
void backing_destroy(struct backing *b);

/* Make the data file of a segment: `length_bytes` of holes.  `name` is shown in
 * /proc/PID/maps of the clients that map it.  `owner` is blamed if the file's
 * lock is held, for example a uid.  Returns 0, or -errno (-ENOMEM, -EMFILE,
 * -ENFILE). */
int backing_add(struct backing *b, segment_id segment, uint64_t length_bytes,
		uint32_t owner, const char *name) MUST_CHECK;

/* As in struct pager_ops: empty the data file, and forget it in the end.  A
 * client that still maps it gets faults, and never old bytes or bytes of
 * others. */
bool backing_shed(struct backing *b, segment_id segment, uint32_t *budget);

/* As backing_shed(), all at once. */
void backing_remove(struct backing *b, segment_id segment);

/* A descriptor of the file to send to a client.  backing_fd(): read-write,
 * borrowed.  backing_open_read_only(): a new one, which the caller closes.
 * -errno on failure. */
int backing_fd(const struct backing *b, segment_id segment) MUST_CHECK;
int backing_open_read_only(const struct backing *b, segment_id segment)
	MUST_CHECK;

/* As in struct pager_ops.  A capture from a spoiled file fails with
 * -ENOTRECOVERABLE. */
int backing_install(struct backing *b, segment_id segment, uint64_t unit,
		    uint64_t count, const void *bytes) MUST_CHECK;
void backing_capture(struct backing *b, struct pager_capture *capture,
		     unsigned count);

enum backing_spoil {
	BACKING_SOUND,
	BACKING_LOCKED,		/* a punch did not come back */
	BACKING_HUGE,		/* a client has made huge pages */
};

/* Returns a spoiled file, each once; 0: there is none.  Its segment can only be
 * destroyed. */
segment_id backing_take_spoiled(struct backing *b,
				enum backing_spoil *ret_why);
bool backing_has_spoiled(const struct backing *b);

/* Shun the file, because its clients hold the file's lock: while its owner is
 * blamed, take nothing out of it. */
void backing_shun(struct backing *b, segment_id segment);

uint32_t backing_owner(const struct backing *b, segment_id segment);

/* True if a punch of a file of this owner is stuck. */
bool backing_is_blamed(const struct backing *b, uint32_t owner);

/* Look after stuck punches; call this regularly.  Returns how many have come
 * back. */
unsigned backing_poll(struct backing *b);
/* How many punches are stuck. */
unsigned backing_stuck_count(const struct backing *b);

/* Helper processes that have ended and could not be replaced yet, and helper
 * processes that were made to replace others. */
unsigned backing_missing_helpers(const struct backing *b);
uint64_t backing_renewed_helpers(const struct backing *b);

/* The daemon's own view of a unit.  Touch it only while the pager says that the
 * unit is resident and pinned: no thread answers a fault here. */
void *backing_bytes(const struct backing *b, segment_id segment, uint64_t unit);

/* The unit will be read soon, if it is present: have the processor fetch its
 * first bytes, and the page tables.  The processor fetches the following bytes
 * by itself. */
void backing_prefetch(const struct backing *b, segment_id segment,
		      uint64_t unit);

/* Units that are present in the data file now, from its block count.  This is
 * the number of the pager's resident units, unless a client has written to the
 * file past memd. */
uint64_t backing_present_units(const struct backing *b, segment_id segment);

#endif
