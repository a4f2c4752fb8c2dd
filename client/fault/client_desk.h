/* SPDX-License-Identifier: MIT */
/* The desk of a connection: with it, faulting threads, or the library's thread
 * for them, bring pages in without memd (onesided.h).
 *
 *   C1  A thread counts itself in `users` before it reads the generation, and
 *       out after its last look at shared memory.  Another desk is mapped, and
 *       the last one unmapped, only while there is no session's and nobody uses
 *       it.  So what a thread does counts for the session whose desk it has
 *       seen. */
#ifndef MEMD_CLIENT_FAULT_CLIENT_DESK_H
#define MEMD_CLIENT_FAULT_CLIENT_DESK_H

#include "client/fault/area_files.h"
#include "client/fault/bell.h"
#include "client/fault/onesided.h"
#include "client/region/region.h"

struct client_desk {
	struct bell *bell;
	struct area_files *files;
	_Atomic uint64_t generation;	/* number of the session; 0: none */
	_Atomic uint32_t users;
	struct desk *shared;
	uint8_t *staging;		/* a page for each intent */
};

/* ---- any thread; async-signal-safe */

/* Bring the page at `address` in, or map it.  ONESIDED_ASK: memd must. */
enum onesided_result client_desk_fault(struct client_desk *cd, struct region *r,
				       int uffd, uintptr_t address,
				       uint64_t started_ns) MUST_CHECK;

/* One fault, in steps. */
struct desk_fault {
	/* Set by the caller.  The region is there until the end. */
	struct client_desk *desk;
	struct region *region;
	int uffd;

	uint64_t generation;
	struct onesided steps;
};

/* Set up the steps of `df`, which must not move until client_desk_end().  The
 * ops are called with ctx = df.  False: memd must be asked, and there is
 * nothing to end. */
bool client_desk_begin(struct desk_fault *df, const struct onesided_ops *ops,
		       uintptr_t address, uint64_t started_ns) MUST_CHECK;
/* After the last step. */
void client_desk_end(struct desk_fault *df);

/* As in struct onesided_ops. */
int client_desk_install(void *desk_fault, uint32_t page, const void *bytes);
int client_desk_map(void *desk_fault, uint32_t page);

/* ---- the library's thread */

/* Map the desk `fd` (borrowed) of session `generation`.  0, -EBUSY (somebody is
 * at the last one: try again soon), -EEXIST, -EPROTO, or -ENOMEM. */
int client_desk_open(struct client_desk *cd, int fd, uint64_t generation)
	MUST_CHECK;
/* The session is over. */
void client_desk_close(struct client_desk *cd);
/* Nobody uses it any more. */
void client_desk_fini(struct client_desk *cd);

#endif
