/* SPDX-License-Identifier: MIT */
/* Faults of thread regions that the library's thread serves by itself
 * (onesided.h).  It reads pages in the background, with io_uring, so that one
 * that is being read keeps no other waiting, and several are read at once.
 * Where io_uring is not allowed, memd must be asked.
 *
 *   W1  After OWN_READING an own fault is in use until own_faults_next() has
 *       passed it.  Until its read has been reaped, its intent, credit and
 *       buffer are its own, also if nobody waits for the page any more.
 *   W2  What is read is installed only if somebody still waits for the page,
 *       and the region is live, in the same session: otherwise something else
 *       may be mapped there.
 *   W3  Nothing stays queued after own_faults_submit().  If the kernel does not
 *       take all, the ring is *broken*: no read is added, and when those that
 *       are under way have ended, it is closed.
 *
 * Threads: the library's thread. */
#ifndef MEMD_CLIENT_FAULT_OWN_FAULTS_H
#define MEMD_CLIENT_FAULT_OWN_FAULTS_H

#include "client/fault/client_desk.h"
#include <liburing.h>
#include <sys/queue.h>

struct fault;

struct own_faults;

struct own_fault {
	struct desk_fault desk_fault;	/* first: it is the steps' ctx */
	struct own_faults *all;
	struct fault *waiter;		/* NULL: nobody waits any more */
	TAILQ_ENTRY(own_fault) link;	/* in the list of its state */
};

TAILQ_HEAD(own_fault_list, own_fault);

struct own_faults {
	struct client_desk *desk;
	/* uring.ring_fd is readable when a read has ended; -1: there is none
	 * yet. */
	struct io_uring uring;
	uint32_t open_count;	/* how many times it was made */
	bool is_refused;	/* the kernel does not let us */
	bool is_broken;		/* W3 */
	bool must_ring;		/* few credits are left: memd must be told */
	/* queued: to be submitted; reading: submitted; ended: to be passed. */
	struct own_fault_list free, queued, reading, ended;
	/* Swap files, in the table of the library's thread; owned. */
	struct own_file {
		uint32_t first, count;
		int fd;
	} file[AREA_FILES_MAX];
	unsigned file_count, files_max;
	struct own_fault fault[DESK_INTENTS];
};

enum own_result {
	OWN_ASK,	/* memd must be asked */
	/* The page is mapped, and memd can know: its threads must be woken. */
	OWN_FOUND,	/* it was in the data file */
	OWN_BROUGHT,	/* it is there now */
	OWN_READING,	/* own_faults_next() will tell */
};

void own_faults_init(struct own_faults *of, struct client_desk *desk);
/* Wait for the reads that are under way, as long as the disk takes, and close
 * everything. */
void own_faults_fini(struct own_faults *of);

/* The daemon's file `fd` (owned) has these slots; -1: it has ended.  With first
 * AREA_FILES_ALL all have ended. */
void own_faults_set_file(struct own_faults *of, uint32_t first, uint32_t count,
			 int fd);

/* Begin with the page at `address`.  *ret_own is set for OWN_READING: its
 * waiter is to be filled in. */
enum own_result own_faults_begin(struct own_faults *of, struct region *r,
				 int uffd, uintptr_t address,
				 uint64_t started_ns,
				 struct own_fault **ret_own) MUST_CHECK;

/* Start the reads of all that have begun.  Those that the kernel does not take
 * have ended then. */
void own_faults_submit(struct own_faults *of);

/* Take the reads that have ended. */
void own_faults_reap(struct own_faults *of);

/* The next one that has ended, if somebody still waits for it: returns the
 * waiter, and whether its page is mapped or memd must be asked.  NULL: there is
 * none. */
struct fault *own_faults_next(struct own_faults *of,
			      enum own_result *ret_result);

#endif
