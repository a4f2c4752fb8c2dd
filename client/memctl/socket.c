/* SPDX-License-Identifier: MIT */
/* Unix stream sockets with deadlines. */
#include "client/memctl/socket.h"

#include "common/clock.h"
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

int socket_parse(const char *text, struct socket_address *ret_address,
		 struct failure *ret_failure)
{
	struct socket_address address = { .sun.sun_family = AF_UNIX };
	const char *path = strncmp(text, "unix:", 5) == 0 ? text + 5 : text;
	size_t length = strlen(path);

	if (strstr(text, "://") != NULL) {
		failure_set(ret_failure, FAILURE_ADDRESS, EINVAL,
			    "%s: memctl speaks to the memd of its own host: "
			    "pass the path of its Unix socket", text);
		return -EINVAL;
	}
	if (length == 0 || strcmp(path, "@") == 0) {
		failure_set(ret_failure, FAILURE_ADDRESS, EINVAL,
			    "'%s' is no address: pass a socket's path, or "
			    "@name for an abstract one", text);
		return -EINVAL;
	}
	if (length >= sizeof(address.sun.sun_path)) {
		failure_set(ret_failure, FAILURE_ADDRESS, ENAMETOOLONG,
			    "socket path of %zu bytes is longer than %zu: use "
			    "a shorter one", length,
			    sizeof(address.sun.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(address.sun.sun_path, path, length);
	if (path[0] == '@')
		address.sun.sun_path[0] = '\0';
	else
		length++;	/* a path carries its NUL */
	address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				     length);
	*ret_address = address;
	return 0;
}

/* connect() of a Unix socket waits for room in the listener's queue, at most
 * SO_SNDTIMEO, and fails then with EAGAIN. */
static int connect_within(int fd, const struct socket_address *address,
			  uint32_t timeout_ms)
{
	struct timeval tv = { .tv_sec = timeout_ms / 1000,
			      .tv_usec = timeout_ms % 1000 * 1000 };

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) != 0)
		return -errno;
	while (connect(fd, (const struct sockaddr *)&address->sun,
		       address->length) != 0) {
		if (errno == EAGAIN)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int socket_connect(const struct socket_address *address, uint32_t timeout_ms)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = connect_within(fd, address, timeout_ms);
	if (err != 0) {
		close(fd);
		return err;
	}
	return fd;
}

uint64_t socket_deadline_ns(uint32_t timeout_ms)
{
	if (timeout_ms == 0)
		return UINT64_MAX;
	return clock_now_ns() + (uint64_t)timeout_ms * 1000000;
}

static int wait_for(int fd, short events, uint64_t until_ns)
{
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = events };
		int wait_ms = -1, n;

		if (until_ns != UINT64_MAX) {
			uint64_t now = clock_now_ns();

			if (now >= until_ns)
				return -ETIMEDOUT;
			/* A timeout_ms is 32 bits, but may exceed an int. */
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

int socket_send_all(int fd, const uint8_t *bytes, size_t length,
		    uint64_t until_ns)
{
	while (length > 0) {
		ssize_t n = send(fd, bytes, length,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			bytes += n;
			length -= (size_t)n;
		} else if (errno == EAGAIN) {
			int err = wait_for(fd, POLLOUT, until_ns);

			if (err != 0)
				return err;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int socket_receive_all(int fd, uint8_t *bytes, size_t length,
		       uint64_t until_ns)
{
	/* A peer that sends without end never makes us wait: look here. */
	if (clock_now_ns() >= until_ns)
		return -ETIMEDOUT;
	while (length > 0) {
		ssize_t n = recv(fd, bytes, length, MSG_DONTWAIT);

		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		} else if (n == 0) {
			return -ECONNRESET;
		} else if (errno == EAGAIN) {
			int err = wait_for(fd, POLLIN, until_ns);

			if (err != 0)
				return err;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}
