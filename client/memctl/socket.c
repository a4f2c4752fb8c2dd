/* SPDX-License-Identifier: MIT */
/* Stream sockets with deadlines. */
#include "client/memctl/socket.h"

#include "client/address.h"
#include "common/clock.h"
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static int parse_unix(const char *text, struct socket_address *ret_sa,
		      struct failure *ret_failure)
{
	struct sockaddr_un *sun = &ret_sa->sun;
	const char *path = strncmp(text, "unix:", 5) == 0 ? text + 5 : text;
	size_t length = strlen(path);

	if (length == 0 || strcmp(path, "@") == 0) {
		failure_set(ret_failure, FAILURE_ADDRESS, EINVAL,
			    "'%s' is no address: pass a socket's path, @name "
			    "for an abstract one, or tcp://HOST:PORT", text);
		return -EINVAL;
	}
	if (length >= sizeof(sun->sun_path)) {
		failure_set(ret_failure, FAILURE_ADDRESS, ENAMETOOLONG,
			    "socket path of %zu bytes is longer than %zu: use "
			    "a shorter one", length,
			    sizeof(sun->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(sun->sun_path, path, length);
	if (path[0] == '@')
		sun->sun_path[0] = '\0';
	else
		length++;	/* a path carries its NUL */
	ret_sa->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				     length);
	return 0;
}

int socket_address_init(struct socket_address *sa, const char *text,
			struct failure *ret_failure)
{
	*sa = (struct socket_address){ .sun.sun_family = AF_UNIX };
	sa->is_tcp = address_is_tcp(text);
	if (sa->is_tcp)
		return tcp_address_init(&sa->tcp, text, ret_failure);
	if (address_is_embedded(text)) {
		failure_set(ret_failure, FAILURE_ADDRESS, EINVAL,
			    "%s: memory without a daemon is inside of its "
			    "program: pass the @name it listens at", text);
		return -EINVAL;
	}
	if (strstr(text, "://") != NULL) {
		failure_set(ret_failure, FAILURE_ADDRESS, EINVAL,
			    "%s: another host's memd is at tcp://HOST:PORT, "
			    "one here at the path of its socket", text);
		return -EINVAL;
	}
	return parse_unix(text, sa, ret_failure);
}

void socket_address_fini(struct socket_address *sa)
{
	if (sa->is_tcp)
		tcp_address_fini(&sa->tcp);
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

/* Returns the descriptor or -errno. */
static int connect_unix(const struct socket_address *sa, uint32_t timeout_ms)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = connect_within(fd, sa, timeout_ms);
	if (err != 0) {
		close(fd);
		return err;
	}
	return fd;
}

int socket_connect(const struct socket_address *sa, const char *shown,
		   uint32_t timeout_ms, struct channel *ret_channel,
		   struct failure *ret_failure)
{
	int fd, err;

	if (sa->is_tcp)
		return tcp_connect(&sa->tcp, timeout_ms, ret_channel,
				   ret_failure);
	fd = connect_unix(sa, timeout_ms);
	err = fd < 0 ? fd : channel_open(ret_channel, fd, NULL, NULL);
	if (err != 0)
		failure_set_connect(ret_failure, shown, -err);
	return err;
}

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
	/* A peer that sends without end never makes us wait: look here. */
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
