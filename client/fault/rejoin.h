/* SPDX-License-Identifier: MIT */
/* Rejoining after a broken session: regions of named segments are attached
 * again, and those that cannot be are lost.  Threads: the library's thread. */
#ifndef MEMD_CLIENT_FAULT_REJOIN_H
#define MEMD_CLIENT_FAULT_REJOIN_H

#include "client/fault/paging.h"

struct rejoin {
	struct paging *paging;
	bool is_pending;	/* some region must be attached now */
	/* When the next one must be; UINT64_MAX: none. */
	uint64_t next_ns;
	unsigned asked_count;	/* SegmentAttach messages not answered yet */
};

/* The session has ended: all live regions wait. */
void rejoin_wait(struct rejoin *rj);

/* A session has begun: ask for the segments. */
void rejoin_begin(struct rejoin *rj);

/* During a session: ask for the segments that are due. */
void rejoin_run(struct rejoin *rj);

/* Take an answer.  `id` is of kind REQUEST_REJOIN. */
void rejoin_take_reply(struct rejoin *rj, uint64_t id,
		       const Memd__SegmentReply *reply);
void rejoin_take_error(struct rejoin *rj, uint64_t id, int error);

#endif
