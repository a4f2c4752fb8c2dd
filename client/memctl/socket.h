/* SPDX-License-Identifier: MIT */
/* Whole buffers each way on a channel, with deadlines.  How a channel is opened
 * is in unix.h and tcp.h; messages are in connection.h. */
#ifndef MEMD_MEMCTL_SOCKET_H
#define MEMD_MEMCTL_SOCKET_H

#include "common/checks.h"
#include "proto/channel.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A deadline timeout_ms from now; 0: never. */
uint64_t socket_deadline_ns(uint32_t timeout_ms);

/* Until it is readable, or writable.  Returns 0, -ETIMEDOUT, or -errno. */
int socket_wait(int fd, bool is_to_write, uint64_t until_ns) MUST_CHECK;

/* All `length` bytes or -errno: -ETIMEDOUT at the deadline, -ECONNRESET when
 * the peer has closed, or what the channel says, with a reason in it then.
 * Descriptors that a peer might send along are dropped by the kernel: no
 * control buffer is offered. */
int socket_send_all(struct channel *ch, const uint8_t *bytes, size_t length,
		    uint64_t until_ns) MUST_CHECK;
int socket_receive_all(struct channel *ch, uint8_t *bytes, size_t length,
		       uint64_t until_ns) MUST_CHECK;

#endif
