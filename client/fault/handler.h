/* SPDX-License-Identifier: MIT */
/* The library's thread: it alone talks to the daemon on the session's
 * connection, maps and unmaps regions, and answers the faults of thread
 * regions.  The rest of the program asks it through commands. */
#ifndef MEMD_CLIENT_FAULT_HANDLER_H
#define MEMD_CLIENT_FAULT_HANDLER_H

#include "client/fault/fault.h"
#include "client/link/link.h"
#include "client/region/pinned.h"
#include "client/region/uffd.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct memclient;

/* What a request id says about the reply that will carry it. */
enum request_kind {
	REQUEST_NONE,		/* not wanted */
	REQUEST_FAULT,		/* idx: region */
	REQUEST_COMMAND,	/* idx: command; no descriptor comes with it */
	REQUEST_ATTACH,		/* idx: command; with a descriptor */
	REQUEST_REJOIN,		/* idx: region; with a descriptor */
	REQUEST_MAILBOX,	/* with a descriptor */
};

struct handler {
	/* For memclient_open(): 0 starting, 1 start_result is there. */
	_Atomic uint32_t is_started;
	int start_result;
	char start_text[ERRORS_TEXT_BYTES];
	pthread_t thread;

	/* Everything below is the thread's own. */
	struct uffd uffd;	/* of thread regions and bells */
	int inline_fd;		/* our own copy of memclient.inline_fd */
	int epoll_fd;
	int lifeline[2];	/* a pipe that ends with this thread: memd has
				 * the first end, too */
	uint32_t watched_faults, watched_link;	/* events asked for */
	uint64_t watched_count;		/* link.connect_count then */
	bool is_stopping;
	bool has_left_mapped;	/* some region could not be unmapped, or was
				 * moved: part of it is still watched */
	uint64_t now_ns;	/* of this turn */
	uint64_t poll_until_ns;	/* look for faults until then, not asleep */
	uint64_t request_sequence;
	unsigned call_count;	/* commands taken and not finished */

	/* Session: see session.c. */
	bool is_up;		/* the rest has been told that the link is up */
	bool is_rejoining;	/* some region must be attached again... */
	uint64_t rejoin_ns;	/* ...and some more then; UINT64_MAX: none */
	unsigned rejoin_count;	/* SegmentAttach that are not answered */
	uint64_t generation;	/* counts sessions */
	uint64_t up_ns;		/* since when it is up */
	uint64_t outage_ns;	/* since when it is down */
	uint64_t retry_ns;	/* connect again then */
	uint64_t backoff_ns;
	uint64_t hello_deadline_ns;

	int mailbox_fd;		/* came, is not mapped yet; -1: none */
	bool must_ring;		/* for the mailbox */

	uint64_t touched_ns;	/* report minor faults then */
	uint64_t heard_ns;	/* the daemon last said something */
	uint64_t probed_ns;	/* it was last asked for a sign of life */

	struct faults faults;
	struct pinned pinned;
	struct link link;
};

/* Start the thread and wait until it has shaken hands.  On failure nothing is
 * left running, and the reason is the caller's error text. */
int handler_start(struct memclient *mc) MUST_CHECK;

/* After COMMAND_STOP: wait for the end of the thread. */
void handler_join(struct memclient *mc);

/* ---- for the files that are part of the thread */

uint64_t handler_request_id(struct handler *h, enum request_kind kind,
			    size_t idx);
enum request_kind handler_request_kind(uint64_t request_id);
size_t handler_request_idx(uint64_t request_id);

/* The userfaultfd with which a region is registered. */
int handler_uffd(const struct memclient *mc, const struct region *r);

/* Say that a command is done and let its thread go on. */
void handler_finish(struct memclient *mc, struct command *c, int result);

#endif
