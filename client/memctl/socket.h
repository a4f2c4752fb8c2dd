/* SPDX-License-Identifier: MIT */
/* Sends and receives whole buffers on a channel, with deadlines.  unix.h and
 * tcp.h open channels; connection.h has the messages. */
#ifndef MEMD_MEMCTL_SOCKET_H
#define MEMD_MEMCTL_SOCKET_H

#include "common/checks.h"
#include "proto/channel.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The time timeout_ms from now; 0: no limit. */
uint64_t socket_deadline_ns(uint32_t timeout_ms);

/* Wait until `fd` is readable, or writable.  Returns 0, -ETIMEDOUT, or
 * -errno. */
int socket_wait(int fd, bool is_to_write, uint64_t until_ns) MUST_CHECK;

/* Move all `length` bytes.  Returns 0 or -errno: -ETIMEDOUT at the deadline,
 * -ECONNRESET if the peer has closed, or the error of the channel, which then
 * has a reason.  If a peer sends descriptors, the kernel drops them, because
 * there is no control buffer. */
int socket_send_all(struct channel *ch, const uint8_t *bytes, size_t length,
		    uint64_t until_ns) MUST_CHECK;
int socket_receive_all(struct channel *ch, uint8_t *bytes, size_t length,
		       uint64_t until_ns) MUST_CHECK;

#endif
