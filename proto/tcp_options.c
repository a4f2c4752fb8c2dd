/* SPDX-License-Identifier: MIT */
#include "proto/tcp_options.h"

#include "common/checks.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static const struct tcp_patience usual = {
	.idle_s = 15,
	.interval_s = 5,
	.probe_count = 4,
	.unacknowledged_ms = 30000,
};

/* Without them all works as well, slower, or noticed later. */
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
