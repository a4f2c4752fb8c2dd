/* SPDX-License-Identifier: MIT */
/* Attaches segments as regions, and unmaps regions.  Threads: the library's
 * thread. */
#ifndef MEMD_CLIENT_FAULT_ATTACH_H
#define MEMD_CLIENT_FAULT_ATTACH_H

#include "client/fault/direct.h"
#include "client/fault/paging.h"
#include "client/fault/request.h"

/* The daemon has made or attached a segment: map it, if the command wants that,
 * and end the command.  `id` is of kind REQUEST_COMMAND or REQUEST_ATTACH. */
void attach_take_reply(struct requests *rq, uint64_t id,
		       const Memd__SegmentReply *reply);

/* Unmap the region of the command, and end the command.  Does not wait for the
 * daemon. */
void attach_unmap(struct paging *pg, struct direct *d, struct command *c);

#endif
