/* SPDX-License-Identifier: MIT */
/* Where memd listens, connecting there, and whole buffers each way with
 * deadlines.  Knows nothing of messages; tcp.h knows other hosts. */
#ifndef MEMD_MEMCTL_SOCKET_H
#define MEMD_MEMCTL_SOCKET_H

#include "client/memctl/failure.h"
#include "client/memctl/tcp.h"
#include "common/checks.h"
#include "proto/channel.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct socket_address {
	bool is_tcp;
	struct tcp_address tcp;		/* is_tcp */
	struct sockaddr_un sun;		/* else */
	socklen_t length;
};

/* "/path", "unix:/path", "@name", "unix:@name", or as tcp_address_init() wants
 * it.  Returns 0, or -errno with the reason in *ret_failure. */
int socket_address_init(struct socket_address *sa, const char *text,
			struct failure *ret_failure) MUST_CHECK;

/* Accepts a zeroed struct. */
void socket_address_fini(struct socket_address *sa);

/* A deadline timeout_ms from now; 0: never. */
uint64_t socket_deadline_ns(uint32_t timeout_ms);

/* Until it is readable, or writable.  Returns 0, -ETIMEDOUT, or -errno. */
int socket_wait(int fd, bool is_to_write, uint64_t until_ns) MUST_CHECK;

/* Connect, for at most timeout_ms (0: for ever, or as tcp_connect()); `shown`
 * names memd in messages.  Returns 0, or -errno with the reason in
 * *ret_failure: -ETIMEDOUT also when a Unix listener's queue stayed full. */
int socket_connect(const struct socket_address *sa, const char *shown,
		   uint32_t timeout_ms, struct channel *ret_channel,
		   struct failure *ret_failure) MUST_CHECK;

/* All `length` bytes or -errno: -ETIMEDOUT at the deadline, -ECONNRESET when
 * the peer has closed, or what the channel says, with a reason in it then.
 * Descriptors that a peer might send along are dropped by the kernel: no
 * control buffer is offered. */
int socket_send_all(struct channel *ch, const uint8_t *bytes, size_t length,
		    uint64_t until_ns) MUST_CHECK;
int socket_receive_all(struct channel *ch, uint8_t *bytes, size_t length,
		       uint64_t until_ns) MUST_CHECK;

#endif
