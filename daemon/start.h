/* SPDX-License-Identifier: MIT */
#ifndef MEMD_DAEMON_START_H
#define MEMD_DAEMON_START_H

#include "common/checks.h"
#include <stddef.h>

struct daemon;

/* Make all rooms, and open the sockets last.  `d` has its settings and its
 * program.  Returns 0, or -errno with a line in ret_reason.
 * start_undo() is needed in both cases. */
int start_all(struct daemon *d, char *ret_reason, size_t reason_size)
	MUST_CHECK;
void start_undo(struct daemon *d);

#endif
