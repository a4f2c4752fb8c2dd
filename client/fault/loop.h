/* SPDX-License-Identifier: MIT */
/* The library's thread: it alone talks to the daemon on the session's
 * connection, maps and unmaps regions, and answers the faults of thread
 * regions.  The rest of the program asks it through commands.  What is done
 * about each of these is the handler's. */
#ifndef MEMD_CLIENT_FAULT_LOOP_H
#define MEMD_CLIENT_FAULT_LOOP_H

#include "client/fault/handler.h"
#include "common/descriptor.h"
#include <pthread.h>

struct loop {
	/* For loop_start(): 0 starting, 1 start_result is there. */
	_Atomic uint32_t is_started;
	int start_result;
	char start_text[ERRORS_TEXT_BYTES];
	pthread_t thread;

	/* Everything below is the thread's own. */
	struct descriptor_id inline_id;	/* of space.inline_fd */
	int epoll_fd;
	int lifeline[2];	/* a pipe that ends with this thread: memd has
				 * the first end, too */
	uint32_t watched_faults, watched_link;	/* events asked for */
	uint64_t watched_count;		/* link.connect_count then */
	uint64_t poll_until_ns;	/* look for faults until then, not asleep */
	struct handler handler;
};

/* Start the thread and wait until it has shaken hands.  parts->space has the
 * userfaultfd of inline regions, which is `inline_id`, and can_poison; `lp` is
 * all zeros.  On failure nothing is left running, and the reason is the
 * caller's error text. */
int loop_start(struct loop *lp, const struct handler_parts *parts,
	       const struct descriptor_id *inline_id) MUST_CHECK;

/* After COMMAND_STOP: wait for the end of the thread. */
void loop_join(struct loop *lp);

#endif
