/* SPDX-License-Identifier: MIT */
/* Lanes: connections on which a faulting thread asks the daemon itself, from
 * its SIGBUS handler.  See lane.c for why that is safe. */
#ifndef MEMD_CLIENT_FAULT_LANE_H
#define MEMD_CLIENT_FAULT_LANE_H

#include "client/link/link.h"
#include "client/region/told.h"
#include "common/descriptor.h"

enum { LANES_MAX = 16, LANE_BYTES = 1024 };

struct lane {
	_Atomic uint32_t is_taken;
	/* The taker's own. */
	int fd;			/* in the program's table; -1: none */
	struct descriptor_id id;	/* is the number still ours? */
	uint64_t generation;	/* of the session it has joined */
	uint64_t request_id;
	uint8_t buffer[LANE_BYTES];
	uint8_t arena[LANE_BYTES] __attribute__((aligned(16)));
};

struct lanes {
	/* The session to join, written by the handler.  0: none. */
	_Atomic uint64_t generation;
	_Atomic uint32_t session;
	_Atomic uint64_t token[2];

	_Atomic uint32_t released;	/* futex: counts lanes given back */
	_Atomic uint32_t waiting;	/* threads that look for one */
	_Atomic uint32_t in_use;	/* lanes that wait for an answer */
	struct lane lane[LANES_MAX];
};

struct lane_answer {
	uint64_t first, count, mark;	/* as in FaultReply; TOLD_NO_PAGE */
	bool is_mapped;			/* already, and nothing else is said */
};

void lanes_init(struct lanes *ls);

/* The handler: there is a session to join / there is none. */
void lanes_open(struct lanes *ls, uint64_t generation, uint32_t session,
		const uint8_t token[LINK_TOKEN_BYTES]);
void lanes_close(struct lanes *ls);

/* Close the descriptors that are still ours.  Nobody may hold a lane. */
void lanes_fini(struct lanes *ls);

/* Ask for a page and wait for the answer, at most until deadline_ns.
 * Async-signal-safe.  Returns 0, or a negative value: the library's thread
 * has to be asked instead. */
int lane_ask(struct lanes *ls, const struct settings *s,
	     const struct region *r, uint64_t page, bool is_write,
	     uint64_t deadline_ns, struct lane_answer *ret_answer) MUST_CHECK;

/* Tell the daemon that a page was mapped; nobody answers.  Async-signal-safe.
 * Returns 0, or a negative value: it was not told. */
int lane_tell_touched(struct lanes *ls, const struct settings *s,
		      const struct region *r, uint64_t page,
		      uint64_t deadline_ns) MUST_CHECK;

#endif
