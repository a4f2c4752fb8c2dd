/* SPDX-License-Identifier: MIT */
#include "daemon/net/conn_descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83		/* Linux 6.16 */
#endif

void descriptors_let_pass(int fd, bool is_allowed)
{
	int value = is_allowed;

	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &value, sizeof(value));
}

void conn_descriptors_allow(struct conn *c, bool is_allowed)
{
	c->takes_descriptors = is_allowed;
	descriptors_let_pass(c->fd, is_allowed);
}

/* The kernel closes descriptors that do not fit into the buffer, and those for
 * which memd's limit leaves no number.  It sets MSG_CTRUNC then. */
static void take_received_descriptors(struct conn *c, struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	size_t count;

	c->has_lost_descriptors |= (msg->msg_flags & MSG_CTRUNC) != 0;
	if (cmsg == NULL || cmsg->cmsg_level != SOL_SOCKET ||
	    cmsg->cmsg_type != SCM_RIGHTS)
		return;
	count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	count = MIN(count, CONN_DESCRIPTORS_MAX - (size_t)c->descriptor_count);
	memcpy(c->descriptor + c->descriptor_count, CMSG_DATA(cmsg),
	       count * sizeof(int));
	c->descriptor_count += (unsigned)count;
	conn_descriptors_allow(c, false);	/* a program sends them only
						 * once */
}

ssize_t conn_descriptors_receive(struct conn *c, void *to, size_t length)
{
	union {
		char bytes[CMSG_SPACE(CONN_DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr aligned;
	} control;
	struct iovec iov = { to, length };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control,
			      /* CMSG_SPACE() is padded and would have room for
			       * one more. */
			      .msg_controllen =
				      CMSG_LEN(sizeof(c->descriptor)) };
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	take_received_descriptors(c, &msg);
	return n;
}
