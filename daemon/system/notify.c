/* SPDX-License-Identifier: MIT */
#include "daemon/system/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 512, WAITING_MAX = 16 };

static bool has_manager;

/* Messages that must arrive and have not, oldest first.  If there are too many,
 * the oldest is dropped. */
static char waiting[WAITING_MAX][MESSAGE_BYTES];
static unsigned waiting_count;

void notify_init(void)
{
	has_manager = true;
}

/* Returns the length of the address; 0: there is no manager, or its address is
 * of an unknown kind. */
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

/* Returns 0, or -EAGAIN: the manager's socket is full. */
static int send_text(const char *text)
{
	struct sockaddr_un sun;
	socklen_t length = find_manager(&sun);
	int fd, err = 0;

	if (length == 0)
		return 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	if (sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
		   (struct sockaddr *)&sun, length) < 0 && errno == EAGAIN)
		err = -EAGAIN;
	close(fd);
	return err;
}

static void drop_oldest(void)
{
	waiting_count--;
	memmove(waiting, waiting + 1, waiting_count * sizeof(waiting[0]));
}

void notify_retry(void)
{
	if (!has_manager)
		return;
	while (waiting_count != 0 && send_text(waiting[0]) == 0)
		drop_oldest();
}

void notify_send(const char *format, ...)
{
	char text[MESSAGE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)send_text(text);
}

void notify_send_surely(const char *format, ...)
{
	va_list args;

	/* Embedded memds have no manager.  There may be several of them, so
	 * they must not share `waiting`. */
	if (!has_manager)
		return;
	if (waiting_count == WAITING_MAX)
		drop_oldest();
	va_start(args, format);
	vsnprintf(waiting[waiting_count++], MESSAGE_BYTES, format, args);
	va_end(args);
	notify_retry();
}
