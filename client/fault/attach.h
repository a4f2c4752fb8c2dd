/* SPDX-License-Identifier: MIT */
/* Segments become regions, and regions end, on the library's thread. */
#ifndef MEMD_CLIENT_FAULT_ATTACH_H
#define MEMD_CLIENT_FAULT_ATTACH_H

#include "client/fault/direct.h"
#include "client/fault/paging.h"
#include "client/fault/request.h"

/* The daemon has made or attached a segment: map it if that is what the command
 * wants, and end the command.  `id` is of kind REQUEST_COMMAND or
 * REQUEST_ATTACH. */
void attach_take_reply(struct requests *rq, uint64_t id,
		       const Memd__SegmentReply *reply);

/* Unmap the region of the command, and end the command.  Nobody is waited
 * for. */
void attach_unmap(struct paging *pg, struct direct *d, struct command *c);

#endif
