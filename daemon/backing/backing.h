/* SPDX-License-Identifier: MIT */
/* The data files: one sealed memfd per segment, whose present pages are the
 * frames.  The only place that installs pages (UFFDIO_COPY into the daemon's
 * own alias mapping) and takes them out (splice, punch, read).  Decides
 * nothing: the pager says what, this does it.
 *
 * Threads: one; and helper processes (punchers.h).  Blocks as long as the
 * kernel copies pages; once, for seconds, when a client keeps the lock of its
 * file. */
#ifndef MEMD_BACKING_BACKING_H
#define MEMD_BACKING_BACKING_H

#include "daemon/pager/pager.h"

struct backing;

/* Returns 0, or -ENOSYS/-EPERM/-EACCES (no userfaultfd), -EOPNOTSUPP (kernel
 * older than 5.14), -ENOMEM, -EMFILE, -EAGAIN (no more processes).  To be
 * made early: the helpers inherit what memory there is.
 *
 * has_helpers  false: whoever gets a file's descriptor is trusted not to keep
 *              its lock (punchers.h). */
int backing_create(uint32_t segments_max, bool has_helpers,
		   struct backing **ret_backing) MUST_CHECK;
void backing_destroy(struct backing *b);

/* Make the data file of a segment: `length_bytes` of holes.  `name` shows in
 * /proc/PID/maps of whoever maps it; `owner` is whom to blame for it, for
 * example a uid.  Returns 0, -ENOMEM, -EMFILE, -ENFILE. */
int backing_add(struct backing *b, segment_id segment, uint64_t length_bytes,
		uint32_t owner, const char *name) MUST_CHECK;

/* As in struct pager_ops: empty the data file (clients that still map it get
 * faults, never stale or foreign bytes) and, in the end, forget it. */
bool backing_shed(struct backing *b, segment_id segment, uint32_t *budget);

/* The same at once. */
void backing_remove(struct backing *b, segment_id segment);

/* A descriptor to send to a client: borrowed (read-write), or a new read-only
 * one that the caller closes.  -errno on failure. */
int backing_fd(const struct backing *b, segment_id segment) MUST_CHECK;
int backing_open_read_only(const struct backing *b, segment_id segment)
	MUST_CHECK;

/* As in struct pager_ops.  Capture from a spoiled file fails. */
int backing_install(struct backing *b, segment_id segment, uint64_t unit,
		    uint64_t count, const void *bytes) MUST_CHECK;
void backing_capture(struct backing *b, struct pager_capture *capture,
		     unsigned count);
int backing_discard(struct backing *b, segment_id segment, uint64_t unit,
		    uint64_t count) MUST_CHECK;

enum backing_spoil {
	BACKING_SOUND,
	BACKING_LOCKED,		/* a punch did not come back */
	BACKING_HUGE,		/* a client made huge pages of it */
};

/* A spoiled file, each told once; 0 when there is none.  Its segment is good
 * for nothing any more but to be destroyed. */
segment_id backing_take_spoiled(struct backing *b,
				enum backing_spoil *ret_why);
bool backing_has_spoiled(const struct backing *b);

/* Whoever has this file keeps others locked: do not try to take anything out
 * of it while its owner is blamed for one. */
void backing_shun(struct backing *b, segment_id segment);

uint32_t backing_owner(const struct backing *b, segment_id segment);

/* Is a punch of any of the owner's files stuck? */
bool backing_is_blamed(const struct backing *b, uint32_t owner);

/* Look after stuck punches: returns how many have come back.  To be called
 * now and then.  And how many are stuck. */
unsigned backing_poll(struct backing *b);
unsigned backing_stuck_count(const struct backing *b);

/* Helper processes that have ended and could not be made again yet; that were
 * made in the place of others. */
unsigned backing_missing_helpers(const struct backing *b);
uint64_t backing_renewed_helpers(const struct backing *b);

/* The daemon's own view of a unit.  Only to be touched while the pager says
 * that it is resident and pinned: nobody answers a fault there. */
void *backing_bytes(const struct backing *b, segment_id segment, uint64_t unit);

/* It will be read soon, if it is here: have the processor fetch its first
 * bytes, and find out where they are.  What follows comes by itself. */
void backing_prefetch(const struct backing *b, segment_id segment,
		      uint64_t unit);

/* Units present in the data file now (from its block count): equals the
 * pager's resident units unless a client wrote past the pager. */
uint64_t backing_present_units(const struct backing *b, segment_id segment);

#endif
