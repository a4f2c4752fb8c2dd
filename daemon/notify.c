/* SPDX-License-Identifier: MIT */
#include "daemon/notify.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 1000, MESSAGE_BYTES = 512 };

static bool has_manager;

void notify_init(void)
{
	has_manager = true;
}

/* Returns the address' length; 0: there is no manager, or not one we know. */
static socklen_t find_manager(struct sockaddr_un *ret_sun)
{
	const char *path = has_manager ? getenv("NOTIFY_SOCKET") : NULL;
	size_t length = path == NULL ? 0 : strlen(path);

	if (length < 2 || length >= sizeof(ret_sun->sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return 0;
	*ret_sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret_sun->sun_path, path, length);
	if (path[0] == '@')
		ret_sun->sun_path[0] = '\0';
	else
		length++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int try_send(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	return -errno;
}

static void send_text(const char *text, bool is_sure)
{
	struct sockaddr_un sun;
	socklen_t length = find_manager(&sun);
	int fd;

	if (length == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Connected, poll() tells when the manager has room. */
	if (connect(fd, (struct sockaddr *)&sun, length) == 0 &&
	    try_send(fd, text) == -EAGAIN && is_sure) {
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };

		if (poll(&pfd, 1, PATIENCE_MS) == 1)
			(void)try_send(fd, text);
	}
	close(fd);
}

void notify_send(const char *format, ...)
{
	char text[MESSAGE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	send_text(text, false);
}

void notify_send_surely(const char *format, ...)
{
	char text[MESSAGE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	send_text(text, true);
}
