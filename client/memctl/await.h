/* SPDX-License-Identifier: MIT */
/* Waits for a memd that is about to start.  It is ready when it answers,
 * because it listens only when pool and swap are ready.  A memd that is
 * stopping, or has no room for another session, is asked again. */
#ifndef MEMD_MEMCTL_AWAIT_H
#define MEMD_MEMCTL_AWAIT_H

#include "client/memctl/memctl.h"

/* As memctl_ask() of Status, repeated for wait_ms (0: without limit) until memd
 * answers.  Returns at once if waiting cannot help.  Returns
 * EXIT_CODE_NOT_READY when the time is over. */
int await_status(const struct memctl *mc, uint64_t wait_ms,
		 ProtobufCMessage **ret_reply) MUST_CHECK;

#endif
