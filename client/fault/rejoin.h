/* SPDX-License-Identifier: MIT */
/* After a broken session, on the library's thread: regions of named segments
 * are attached again; what cannot be is lost. */
#ifndef MEMD_CLIENT_FAULT_REJOIN_H
#define MEMD_CLIENT_FAULT_REJOIN_H

#include "client/fault/paging.h"

struct rejoin {
	struct paging *paging;
	bool is_pending;	/* some region must be attached again... */
	uint64_t next_ns;	/* ...and some more then; UINT64_MAX: none */
	unsigned asked_count;	/* SegmentAttach that are not answered */
};

/* The session has ended: all regions wait. */
void rejoin_wait(struct rejoin *rj);

/* A session has begun. */
void rejoin_begin(struct rejoin *rj);

/* While there is a session: ask for what is due. */
void rejoin_run(struct rejoin *rj);

/* Answers.  `id` is of kind REQUEST_REJOIN. */
void rejoin_take_reply(struct rejoin *rj, uint64_t id,
		       const Memd__SegmentReply *reply);
void rejoin_take_error(struct rejoin *rj, uint64_t id, int error);

#endif
