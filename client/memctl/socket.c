/* SPDX-License-Identifier: MIT */
#include "client/memctl/socket.h"

#include "common/clock.h"
#include <errno.h>
#include <poll.h>

uint64_t socket_deadline_ns(uint32_t timeout_ms)
{
	if (timeout_ms == 0)
		return UINT64_MAX;
	return clock_now_ns() + (uint64_t)timeout_ms * 1000000;
}

int socket_wait(int fd, bool is_to_write, uint64_t until_ns)
{
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = is_to_write ?
				      POLLOUT : POLLIN };
		int wait_ms = -1, n;

		if (until_ns != UINT64_MAX) {
			uint64_t now = clock_now_ns();

			if (now >= until_ns)
				return -ETIMEDOUT;
			/* timeout_ms has 32 bits and may exceed an int */
			wait_ms = (int)MIN(DIV_ROUND_UP(until_ns - now,
							1000000), 1000000);
		}
		n = poll(&pfd, 1, wait_ms);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

int socket_send_all(struct channel *ch, const uint8_t *bytes, size_t length,
		    uint64_t until_ns)
{
	while (length > 0) {
		ssize_t n = channel_send(ch, bytes, length);
		int err = n == -EAGAIN ?
			socket_wait(ch->fd, ch->wants_write, until_ns) :
			(int)MIN(n, 0);

		if (err != 0)
			return err;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

int socket_receive_all(struct channel *ch, uint8_t *bytes, size_t length,
		       uint64_t until_ns)
{
	/* Check the deadline here: with a peer that sends without end,
	 * socket_wait() is never called. */
	if (clock_now_ns() >= until_ns)
		return -ETIMEDOUT;
	while (length > 0) {
		ssize_t n = channel_recv(ch, bytes, length);
		int err = n == -EAGAIN ?
			socket_wait(ch->fd, ch->wants_write, until_ns) :
			(int)MIN(n, 0);

		if (n == 0)
			return -ECONNRESET;
		if (err != 0)
			return err;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return 0;
}
