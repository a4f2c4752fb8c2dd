/* SPDX-License-Identifier: MIT */
/* The swap files that this program may read, in the program's table of
 * descriptors, where faulting threads need them.
 *
 * A file comes from the daemon to the library's thread, whose descriptors are
 * in a table of its own (H5 in loop.c).  That thread hangs it on a hook: a pair
 * of sockets.  A faulting thread that lacks a file fetches all that hang there.
 *
 *   R1  The program may have closed a number of ours, and used it again.  Such
 *       a read gives an error or other bytes, which the checksum shows; then
 *       memd is asked.  Before a number is closed, fstat() must show the same
 *       file.
 *   R2  One thread at a time fetches; the others do without.
 *   R3  An entry is written in the order count 0, first, fd, count.  A reader
 *       that sees a mixture reads other bytes (R1).
 *   R4  A fork waits for the end of a fetch (F2 in forks.h), so its child knows
 *       all there is, and closes it. */
#ifndef MEMD_CLIENT_FAULT_AREA_FILES_H
#define MEMD_CLIENT_FAULT_AREA_FILES_H

#include "common/checks.h"
#include "common/descriptor.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { AREA_FILES_MAX = 512 };

/* Both tables have both ends, under the same numbers, until
 * area_files_part(). */
struct area_hook {
	int fd[2];		/* files hang at [0]; [1] puts them there */
	struct descriptor_id id[2];
};

struct area_files {
	struct area_hook hook;
	pid_t pid;		/* of the process that may fetch */
	_Atomic uint32_t hung;	/* not fetched yet */
	_Atomic bool is_fetching;
	_Atomic uint32_t used;	/* entries */
	/* The kernel writes here, not on a thread's stack, which may be managed
	 * memory: it holds a lock of the hook meanwhile (B7 in bell.c). */
	struct area_hung {
		uint32_t first, count;	/* count 0: it has ended */
	} fetched;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control;
	struct {
		_Atomic uint32_t first, count;
		_Atomic int fd;
		struct descriptor_id id;
	} entry[AREA_FILES_MAX];
};

/* ---- under the lock of F1 in forks.h */

/* Make the hook.  `af` must be all zeros.  0, or -errno: then it is closed. */
int area_files_init(struct area_files *af) MUST_CHECK;
/* The library's thread has its table: the program's needs only [0]. */
void area_files_part(struct area_files *af);
/* Close what is still ours. */
void area_files_fini(struct area_files *af);

/* ---- any thread; async-signal-safe */

/* Read the slot.  0 or -errno (-ENOENT: no file has it). */
int area_files_read(struct area_files *af, uint32_t slot, void *buffer)
	MUST_CHECK;

/* ---- the library's thread */

bool area_files_is_hook(const struct area_hook *hook);
/* Hang up the file `fd` (borrowed) of these slots; -1: it has ended.  A file
 * for which there is no room is not read.  first AREA_FILES_ALL: all have
 * ended. */
#define AREA_FILES_ALL UINT32_MAX
void area_files_hang(struct area_files *af, const struct area_hook *hook,
		     uint32_t first, uint32_t count, int fd);

#endif
