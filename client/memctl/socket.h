/* SPDX-License-Identifier: MIT */
/* A Unix stream socket used with deadlines: addresses, connecting, whole
 * buffers each way.  Knows nothing of messages. */
#ifndef MEMD_MEMCTL_SOCKET_H
#define MEMD_MEMCTL_SOCKET_H

#include "client/memctl/failure.h"
#include "common/checks.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct socket_address {
	struct sockaddr_un sun;
	socklen_t length;
};

/* "/path", "unix:/path", "@name" or "unix:@name".  Returns 0, or -EINVAL or
 * -ENAMETOOLONG with the reason in *ret_failure. */
int socket_parse(const char *text, struct socket_address *ret_address,
		 struct failure *ret_failure) MUST_CHECK;

/* A deadline timeout_ms from now; 0: never. */
uint64_t socket_deadline_ns(uint32_t timeout_ms);

/* Connect, for at most timeout_ms (0: for ever).  Returns the descriptor or
 * -errno: -ETIMEDOUT when the listener's queue stayed full. */
int socket_connect(const struct socket_address *address, uint32_t timeout_ms)
	MUST_CHECK;

/* All `length` bytes or -errno: -ETIMEDOUT at the deadline, -ECONNRESET when
 * the peer has closed.  Descriptors that a peer might send along are dropped
 * by the kernel: no control buffer is offered. */
int socket_send_all(int fd, const uint8_t *bytes, size_t length,
		    uint64_t until_ns) MUST_CHECK;
int socket_receive_all(int fd, uint8_t *bytes, size_t length,
		       uint64_t until_ns) MUST_CHECK;

#endif
