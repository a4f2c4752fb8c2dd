/* SPDX-License-Identifier: MIT */
/* Reads and writes of a mirror.  A write is given to each child that is up; a
 * read is done run after run, each with a child that has all of it.  A run that
 * failed because its child went away, or could not read just then, is *held*,
 * and asked of whoever has it when that one is up. */
#ifndef MEMD_SWAPSTORE_MIRROR_REQUEST_H
#define MEMD_SWAPSTORE_MIRROR_REQUEST_H

#include "swapstore/mirror_state.h"

/* All FREE.  Returns 0 or -ENOMEM. */
int mirror_requests_init(struct store_mirror *sm) MUST_CHECK;

void mirror_request_enter(struct store_mirror *sm, struct mirror_request *rq,
			  enum mirror_request_state next);

/* FREE or HELD: ask a child for the read's next run; HELD where it must wait,
 * ENDED where nobody has it. */
void mirror_read_ask(struct store_mirror *sm, struct mirror_request *rq);

/* FREE: give it to those that are up.  0, or -EAGAIN: none has taken it. */
int mirror_write_start(struct store_mirror *sm,
		       struct mirror_request *rq) MUST_CHECK;

/* What child c was asked for has ended so. */
void mirror_request_ended(struct store_mirror *sm, struct mirror_request *rq,
			  unsigned c, int result);

/* HELD reads that can go on. */
void mirror_held_start(struct store_mirror *sm);

void mirror_requests_check(const struct store_mirror *sm);

#endif
