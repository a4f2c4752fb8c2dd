/* SPDX-License-Identifier: MIT */
#include "daemon/serve/doorbell.h"

#include "daemon/net/conn_descriptors.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 16 };

static int listen_first(struct doorbell *bell, struct event_base *base,
			event_callback_fn on_rung, void *ctx)
{
	if (event_assign(&bell->rung, base, bell->fd, EV_READ | EV_PERSIST,
			 on_rung, ctx) != 0)
		return -ENOMEM;
	(void)event_priority_set(&bell->rung, PRIORITY_PAGING);
	return event_add(&bell->rung, NULL) != 0 ? -ENOMEM : 0;
}

int doorbell_open(struct doorbell *bell, struct event_base *base,
		  event_callback_fn on_rung, void *ctx, int *ret_fd)
{
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       fds) != 0)
		return -errno;
	descriptors_let_pass(fds[0], false);
	*bell = (struct doorbell){ .fd = fds[0] };
	err = listen_first(bell, base, on_rung, ctx);
	if (err != 0) {
		close(fds[0]);
		close(fds[1]);
		bell->fd = -1;
		return err;
	}
	*ret_fd = fds[1];
	return 0;
}

void doorbell_close(struct doorbell *bell)
{
	if (bell->fd < 0)
		return;
	(void)event_del(&bell->rung);
	close(bell->fd);
	bell->fd = -1;
}

int doorbell_read(const struct doorbell *bell)
{
	uint8_t bytes[READ_BYTES];
	ssize_t n = recv(bell->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0)
		return 0;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? -EAGAIN : -EPIPE;
}

void doorbell_mute(struct doorbell *bell)
{
	(void)event_del(&bell->rung);
	bell->is_muted = true;
}

int doorbell_listen(struct doorbell *bell)
{
	if (bell->fd < 0 || !bell->is_muted)
		return 0;
	if (event_add(&bell->rung, NULL) != 0)
		return -ENOMEM;
	bell->is_muted = false;
	return 0;
}
