/* SPDX-License-Identifier: MIT */
/* Stopping: memd accepts no connections, tells all clients and disconnects
 * them, and removes all segments.  The loop ends when no I/O is in progress,
 * after stop_timeout, or at the second signal. */
#ifndef MEMD_DAEMON_STOP_H
#define MEMD_DAEMON_STOP_H

struct daemon;

/* Begin to stop.  `why`: for the log.  A second call ends the loop at once. */
void stop_begin(struct daemon *d, const char *why);

#endif
