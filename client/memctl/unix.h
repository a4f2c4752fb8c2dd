/* SPDX-License-Identifier: MIT */
/* Connects to a memd on this host, at its Unix socket. */
#ifndef MEMD_MEMCTL_UNIX_H
#define MEMD_MEMCTL_UNIX_H

#include "client/memctl/failure.h"
#include "common/checks.h"
#include "proto/channel.h"
#include <stdint.h>

/* Connect to "/path", "unix:/path", "@name" or "unix:@name", within timeout_ms
 * (0: no limit).  Returns 0, or -errno with the reason in *ret_failure:
 * -ETIMEDOUT if the listener's queue stayed full. */
int unix_open(const char *text, uint32_t timeout_ms,
	      struct channel *ret_channel, struct failure *ret_failure)
	MUST_CHECK;

#endif
