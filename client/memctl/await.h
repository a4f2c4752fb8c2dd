/* SPDX-License-Identifier: MIT */
/* Waiting for a memd that is about to start.  It is ready when it answers, as
 * it listens when pool and swap file are ready.  One that stops, or has no room
 * for one session more, is asked again. */
#ifndef MEMD_MEMCTL_AWAIT_H
#define MEMD_MEMCTL_AWAIT_H

#include "client/memctl/memctl.h"

/* As memctl_ask() of Status, again and again for wait_ms (0: for ever) until
 * memd answers; at once when that cannot come about by itself.  Returns
 * EXIT_CODE_NOT_READY when the time is over. */
int await_status(const struct memctl *mc, uint64_t wait_ms,
		 ProtobufCMessage **ret_reply) MUST_CHECK;

#endif
