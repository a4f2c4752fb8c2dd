/* SPDX-License-Identifier: MIT */
/* Reads and writes of a mirror.  A write goes to each child that is up.  A read
 * is done in runs, each by a child that has all of it.  If a run fails because
 * its child went away or could not read just then, the read is *held*; a child
 * that has the slots is asked when it is up. */
#ifndef MEMD_SWAPSTORE_MIRROR_REQUEST_H
#define MEMD_SWAPSTORE_MIRROR_REQUEST_H

#include "swapstore/mirror_state.h"

/* All requests are FREE.  Returns 0 or -ENOMEM. */
int mirror_requests_init(struct store_mirror *sm) MUST_CHECK;

void mirror_request_enter(struct store_mirror *sm, struct mirror_request *rq,
			  enum mirror_request_state next);

/* The request is FREE or HELD: ask a child for the next run of the read.  The
 * request becomes ASKED, HELD if it must wait, or ENDED if no child has the
 * slots. */
void mirror_read_ask(struct store_mirror *sm, struct mirror_request *rq);

/* The request is FREE: give the write to the children that are up.  0, or
 * -EAGAIN: no child has taken it. */
int mirror_write_start(struct store_mirror *sm,
		       struct mirror_request *rq) MUST_CHECK;

/* Child c has ended its part of the request with `result`. */
void mirror_request_ended(struct store_mirror *sm, struct mirror_request *rq,
			  unsigned c, int result);

/* Go on with HELD reads, as far as possible. */
void mirror_held_start(struct store_mirror *sm);

void mirror_requests_check(const struct store_mirror *sm);

#endif
