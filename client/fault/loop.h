/* SPDX-License-Identifier: MIT */
/* The library's thread.  It alone talks to the daemon on the session's
 * connection, maps and unmaps regions, and answers faults of thread regions.
 * The program's threads ask it through commands.  handler.h has what a turn
 * does. */
#ifndef MEMD_CLIENT_FAULT_LOOP_H
#define MEMD_CLIENT_FAULT_LOOP_H

#include "client/fault/handler.h"
#include "common/descriptor.h"
#include <pthread.h>

struct loop {
	/* For loop_start(): 0: starting; 1: start_result is set. */
	_Atomic uint32_t is_started;
	int start_result;
	char start_text[ERRORS_TEXT_BYTES];
	pthread_t thread;

	/* Used only by the library's thread. */
	struct descriptor_id inline_id;	/* identity of space.inline_fd */
	int epoll_fd;
	/* A pipe that closes when this thread ends; memd gets a copy of the
	 * first end. */
	int lifeline[2];
	/* Events that are watched for. */
	uint32_t watched_faults, watched_link;
	uint64_t watched_count;		/* link.connect_count at that time */
	uint32_t watched_reads;		/* own_faults.open_count, the same */
	/* Look for faults until then, without sleeping. */
	uint64_t poll_until_ns;
	struct handler handler;
};

/* Start the thread, and wait for the end of its handshake.  `lp` must be all
 * zeros.  parts->space must have can_poison and the userfaultfd of inline
 * regions, which is `inline_id`.  0, or -errno with an error text; then nothing
 * is left running. */
int loop_start(struct loop *lp, const struct handler_parts *parts,
	       const struct descriptor_id *inline_id) MUST_CHECK;

/* After COMMAND_STOP: wait for the end of the thread. */
void loop_join(struct loop *lp);

#endif
