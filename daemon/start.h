/* SPDX-License-Identifier: MIT */
#ifndef MEMD_DAEMON_START_H
#define MEMD_DAEMON_START_H

#include "common/checks.h"
#include <stddef.h>

struct daemon;

/* Make everything, up to the sockets.  `d` knows its settings and its program.
 * 0, or -errno with a line in ret_reason; -ECANCELED: a signal asked for the
 * end.  On failure, too, start_undo() is due. */
int start_all(struct daemon *d, char *ret_reason, size_t reason_size)
	MUST_CHECK;
void start_undo(struct daemon *d);

/* The signal of -ECANCELED. */
const char *start_stopped_by(void);

#endif
