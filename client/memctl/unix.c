/* SPDX-License-Identifier: MIT */
#include "client/memctl/unix.h"

#include "client/link/address.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int unix_parse(const char *text, struct sockaddr_un *ret_sun,
		      socklen_t *ret_length, struct failure *ret_failure)
{
	const char *path = strncmp(text, "unix:", 5) == 0 ? text + 5 : text;
	size_t length = strlen(path);
	int err = EINVAL;

	if (address_is_embedded(text)) {
		failure_set(ret_failure, FAILURE_ADDRESS, err,
			    "%s: memory without a daemon is inside of its "
			    "program: pass the @name it listens at", text);
	} else if (strstr(text, "://") != NULL) {
		failure_set(ret_failure, FAILURE_ADDRESS, err,
			    "%s: another host's memd is at tcp://HOST:PORT, "
			    "one here at the path of its socket", text);
	} else if (length == 0 || strcmp(path, "@") == 0) {
		failure_set(ret_failure, FAILURE_ADDRESS, err,
			    "'%s' is no address: pass a socket's path, @name "
			    "for an abstract one, or tcp://HOST:PORT", text);
	} else if (length >= sizeof(ret_sun->sun_path)) {
		err = ENAMETOOLONG;
		failure_set(ret_failure, FAILURE_ADDRESS, err,
			    "socket path of %zu bytes is longer than %zu: use "
			    "a shorter one", length,
			    sizeof(ret_sun->sun_path) - 1);
	} else {
		*ret_sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
		memcpy(ret_sun->sun_path, path, length);
		if (path[0] == '@')
			ret_sun->sun_path[0] = '\0';
		else
			length++;	/* a path includes its NUL */
		*ret_length = (socklen_t)(length + offsetof(struct sockaddr_un,
							    sun_path));
		err = 0;
	}
	return -err;
}

/* connect() of a Unix socket waits for room in the listener's queue, at most
 * for SO_SNDTIMEO, and then fails with EAGAIN. */
static int unix_connect(int fd, const struct sockaddr_un *sun,
			socklen_t length, uint32_t timeout_ms)
{
	struct timeval tv = { .tv_sec = timeout_ms / 1000,
			      .tv_usec = timeout_ms % 1000 * 1000 };

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) != 0)
		return -errno;
	while (connect(fd, (const struct sockaddr *)sun, length) != 0) {
		if (errno == EAGAIN)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int unix_open(const char *text, uint32_t timeout_ms,
	      struct channel *ret_channel, struct failure *ret_failure)
{
	struct sockaddr_un sun;
	socklen_t length;
	int fd, err = unix_parse(text, &sun, &length, ret_failure);

	if (err != 0)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	err = fd < 0 ? -errno : unix_connect(fd, &sun, length, timeout_ms);
	if (err == 0)	/* channel_open() closes fd on failure */
		err = channel_open(ret_channel, fd, NULL, NULL);
	else if (fd >= 0)
		close(fd);
	if (err != 0)
		failure_set_connect(ret_failure, text, -err);
	return err;
}
