/* SPDX-License-Identifier: MIT */
/* What TCP sockets need, at either end: no delays, and an end when the other
 * host is silently gone.  Not how much they hold.
 *
 * Threads: any.  Nothing blocks, and nothing fails. */
#ifndef MEMD_PROTO_TCP_OPTIONS_H
#define MEMD_PROTO_TCP_OPTIONS_H

/* How long a host may say nothing, not even to the kernel's questions. */
struct tcp_patience {
	int idle_s;		/* before it is asked */
	int interval_s;		/* between questions */
	int probe_count;	/* that have no answer */
	int unacknowledged_ms;	/* what it was sent */
};

/* Set them on `fd`.  NULL: a host that is gone is noticed after less than a
 * minute.  What the kernel does not take is left as it is. */
void tcp_options_set(int fd, const struct tcp_patience *patience);

/* Have bursts leave at once where the system would pace them (BBR).  Before
 * connect() or listen(), and inherited by what is accepted: on a connection
 * pacing stays as it was, whatever is chosen. */
void tcp_options_avoid_pacing(int fd);

#endif
