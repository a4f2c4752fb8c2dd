/* SPDX-License-Identifier: MIT */
/* What is looked at once a second: rates, starvation, and data files that a
 * client has filled past the pager. */
#ifndef MEMD_DAEMON_WATCH_H
#define MEMD_DAEMON_WATCH_H

struct daemon;

void watch_tick(struct daemon *d);

#endif
