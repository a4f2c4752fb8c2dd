/* SPDX-License-Identifier: MIT */
#include "proto/channel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t fail(struct channel *ch, int error, const char *what)
{
	ch->state = CHANNEL_BROKEN;
	snprintf(ch->reason, sizeof(ch->reason), "%s: %s", what,
		 strerror(error));
	return -error;
}

int channel_context_create(const struct channel_tls_files *files,
			   bool is_server, struct channel_context **ret_context,
			   char *ret_reason, size_t reason_size)
{
	(void)files;
	(void)is_server;
	(void)ret_context;
	snprintf(ret_reason, reason_size, "built without TLS");
	return -EINVAL;
}

void channel_context_destroy(struct channel_context *context)
{
	(void)context;
}

int channel_open(struct channel *ch, int fd, struct channel_context *context,
		 const char *name)
{
	(void)context;
	(void)name;
	*ch = (struct channel){ .state = CHANNEL_OPEN, .fd = fd };
	return 0;
}

void channel_close(struct channel *ch)
{
	if (ch->fd >= 0)
		close(ch->fd);
	ch->fd = -1;
	ch->state = CHANNEL_BROKEN;
}

int channel_handshake(struct channel *ch)
{
	return ch->state == CHANNEL_OPEN ? 0 : -ECONNRESET;
}

ssize_t channel_recv(struct channel *ch, void *to, size_t length)
{
	ssize_t n = recv(ch->fd, to, length, MSG_DONTWAIT);

	ch->wants_write = false;
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EINTR)
		return -EAGAIN;
	return fail(ch, errno, "receive");
}

ssize_t channel_send(struct channel *ch, const void *from, size_t length)
{
	ssize_t n = send(ch->fd, from, length, MSG_DONTWAIT | MSG_NOSIGNAL);

	ch->wants_write = n < 0;
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EINTR)
		return -EAGAIN;
	return fail(ch, errno, "send");
}

bool channel_has_input(const struct channel *ch)
{
	(void)ch;
	return false;
}

void channel_peer_name(const struct channel *ch,
		       char ret_name[CHANNEL_NAME_BYTES])
{
	(void)ch;
	ret_name[0] = '\0';
}
