/* SPDX-License-Identifier: MIT */
/* Options of TCP sockets, at either end: no delays, and an end when the other
 * host is silently gone.  Not the sizes of buffers.
 *
 * Threads: any.  Does not block, and cannot fail. */
#ifndef MEMD_PROTO_TCP_OPTIONS_H
#define MEMD_PROTO_TCP_OPTIONS_H

/* How long a host may be silent, even to the kernel's probes. */
struct tcp_patience {
	int idle_s;		/* before the first probe */
	int interval_s;		/* between probes */
	int probe_count;	/* probes without an answer */
	int unacknowledged_ms;	/* sent bytes without an acknowledgement */
};

/* Set the options on `fd`.  NULL: a lost host is noticed in less than a minute.
 * Options that the kernel refuses stay as they are. */
void tcp_options_set(int fd, const struct tcp_patience *patience);

/* If the system paces (BBR), choose a congestion control that sends bursts at
 * once.  Call this before connect() or listen(); accepted sockets inherit it.
 * On a connection it has no effect. */
void tcp_options_avoid_pacing(int fd);

#endif
