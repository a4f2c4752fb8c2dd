/* SPDX-License-Identifier: MIT */
/* Data files: one sealed memfd for each segment.  Its present pages are the
 * frames.  Only this module installs pages (UFFDIO_COPY into the daemon's
 * alias) and takes them out (splice, punch, read).  The pager decides which.
 *
 * Threads: one, and helper processes (punchers.h).  Blocks while the kernel
 * copies pages, and about as long for punches (L2 in flights.h), whoever has
 * the lock of a file. */
#ifndef MEMD_BACKING_BACKING_H
#define MEMD_BACKING_BACKING_H

#include "daemon/backing/flights.h"
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
 * /proc/PID/maps of the clients that map it.  `user` is blamed if the file's
 * lock is held.  Returns 0, or -errno (-ENOMEM, -EMFILE, -ENFILE). */
int backing_add(struct backing *b, segment_id segment, uint64_t length_bytes,
		uint32_t user, const char *name) MUST_CHECK;

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

/* As in struct pager_ops. */
int backing_install(struct backing *b, segment_id segment, uint64_t unit,
		    uint64_t count, const void *bytes) MUST_CHECK;
void backing_capture(struct backing *b, struct pager_capture *capture,
		     unsigned count);
unsigned backing_collect(struct backing *b, uint32_t ticket, void *to,
			 struct pager_capture ret_run[PAGER_CAPTURES_MAX]);

/* The captures that are under way: call flights_reap() and flights_poll(). */
struct flights *backing_flights(const struct backing *b);

/* Something to tell the pager of. */
struct backing_event {
	uint32_t ticket;
	bool is_stuck;		/* it may never end; false: it has ended */
};

/* False: there is none. */
bool backing_next_event(struct backing *b, struct backing_event *ret_event);

/* Something to tell people of. */
enum backing_why {
	BACKING_LOCKED,		/* a capture is stuck: see L4 in flights.h */
	/* A client has made huge pages of the file.  Its segment can only be
	 * destroyed (B4). */
	BACKING_HUGE,
};

struct backing_report {
	enum backing_why why;
	segment_id segment;	/* 0: LOCKED, and the segment is gone */
	uint32_t user;
};

/* False: there is none. */
bool backing_next_report(struct backing *b, struct backing_report *ret_report);
bool backing_has_report(const struct backing *b);

/* The daemon's own view of a unit.  Touch it only while the pager says that the
 * unit is resident and pinned: no thread answers a fault here. */
void *backing_bytes(const struct backing *b, segment_id segment, uint64_t unit);

/* Is the unit in the data file?  (A program may have put it there.)  Returns 1,
 * 0, or -EAGAIN: that cannot be said now. */
int backing_is_present(const struct backing *b, segment_id segment,
		       uint64_t unit) MUST_CHECK;

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
