/* SPDX-License-Identifier: MIT */
#include "proto/tcp_options.h"

#include "common/checks.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum { NAME_BYTES = 32 };	/* the kernel's names have at most 16 bytes */

static const struct tcp_patience usual = {
	.idle_s = 15,
	.interval_s = 5,
	.probe_count = 4,
	.unacknowledged_ms = 30000,
};

/* A congestion control that paces (BBR) waits for a timer before each burst.
 * Pages are short bursts, so this would take longer than the network.  CUBIC is
 * not available to every user if it is not the system's default. */
void tcp_options_avoid_pacing(int fd)
{
	static const char *const unpaced[] = { "cubic", "reno" };
	char name[NAME_BYTES] = "";
	socklen_t length = sizeof(name) - 1;

	if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length) != 0 ||
	    strncmp(name, "bbr", 3) != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(unpaced); i++)
		if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, unpaced[i],
			       (socklen_t)strlen(unpaced[i])) == 0)
			return;
}

/* Failures are ignored: without an option all works, but slower, or a lost host
 * is noticed later. */
void tcp_options_set(int fd, const struct tcp_patience *patience)
{
	const struct tcp_patience *p = patience != NULL ? patience : &usual;
	const struct {
		int level, name, value;
	} rows[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, p->idle_s },
		{ IPPROTO_TCP, TCP_KEEPINTVL, p->interval_s },
		{ IPPROTO_TCP, TCP_KEEPCNT, p->probe_count },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, p->unacknowledged_ms },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		(void)setsockopt(fd, rows[i].level, rows[i].name,
				 &rows[i].value, sizeof(rows[i].value));
}
