/* SPDX-License-Identifier: MIT */
/* Stopping: nobody new is let in, everybody is told and disconnected, segments
 * are taken down; when no I/O is under way any more, or after stop_timeout, or
 * at the second signal, the loop ends. */
#ifndef MEMD_DAEMON_STOP_H
#define MEMD_DAEMON_STOP_H

struct daemon;

/* As on SIGTERM; why: for the log.  Called again: in a hurry. */
void stop_begin(struct daemon *d, const char *why);

#endif
