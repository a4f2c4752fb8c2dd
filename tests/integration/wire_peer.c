/* SPDX-License-Identifier: MIT */
#include "tests/integration/wire_peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_S = 60, BACKLOG = 64 };

void answer_free(struct answer *a)
{
	free(a->body);
	if (a->fd >= 0)
		close(a->fd);
	if (a->bell >= 0)
		close(a->bell);
	*a = (struct answer){ .fd = -1, .bell = -1 };
}

int wire_peer_limit_waits(int fd)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) != 0)
		return -errno;
	return 0;
}

/* ---- out */

int wire_peer_send_bytes(int fd, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t n = send(fd, at, length, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

int wire_peer_send_fds(int fd, const void *bytes, size_t length,
		       const int *fds, size_t fd_count)
{
	union {
		char bytes[CMSG_SPACE(WIRE_PEER_FDS_MAX * sizeof(int))];
		struct cmsghdr aligned;
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)bytes, length };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = CMSG_SPACE(fd_count *
							   sizeof(int)) };
	ssize_t n;

	ASSERT(fd_count > 0 && fd_count <= WIRE_PEER_FDS_MAX);
	control.aligned.cmsg_level = SOL_SOCKET;
	control.aligned.cmsg_type = SCM_RIGHTS;
	control.aligned.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
	memcpy(CMSG_DATA(&control.aligned), fds, fd_count * sizeof(int));
	n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return wire_peer_send_bytes(fd, (const uint8_t *)bytes + n,
				    length - (size_t)n);
}

int wire_peer_send(int fd, uint16_t type, uint64_t id,
		   const ProtobufCMessage *message)
{
	size_t size = WIRE_HEADER_BYTES;
	uint8_t *packed;
	ssize_t length;
	int err;

	if (message != NULL)
		size += protobuf_c_message_get_packed_size(message);
	packed = malloc(size);
	if (packed == NULL)
		return -ENOMEM;
	length = wire_pack(type, id, message, 0, packed, size);
	err = length < 0 ? (int)length :
			   wire_peer_send_bytes(fd, packed, (size_t)length);
	free(packed);
	return err;
}

/* ---- in */

static int take_descriptors(struct msghdr *msg, struct answer *a)
{
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int fds[WIRE_PEER_FDS_MAX];
	size_t size;

	if (cmsg == NULL || cmsg->cmsg_type != SCM_RIGHTS)
		return 0;
	size = cmsg->cmsg_len - CMSG_LEN(0);
	if (a->fd >= 0 || size > 2 * sizeof(int))
		return -EPROTO;
	memcpy(fds, CMSG_DATA(cmsg), size);
	a->fd = fds[0];
	if (size > sizeof(int))
		a->bell = fds[1];
	return 0;
}

/* Fill `to`; descriptors on the way go into `a`. */
static int receive_bytes(int fd, void *to, size_t length, struct answer *a)
{
	uint8_t *at = to;

	while (length > 0) {
		char control[CMSG_SPACE(WIRE_PEER_FDS_MAX * sizeof(int))];
		struct iovec iov = { at, length };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

		if (n <= 0)
			return n == 0 ? -ECONNRESET : -errno;
		if (take_descriptors(&msg, a) != 0)
			return -EPROTO;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

static int receive_body(int fd, struct answer *a)
{
	size_t length = (size_t)a->header.body_bytes + a->header.payload_bytes;
	int err;

	a->body = malloc(length + 1);
	if (a->body == NULL)
		return -ENOMEM;
	err = receive_bytes(fd, a->body, length, a);
	return err == -ECONNRESET ? -ECONNABORTED : err;
}

int wire_peer_receive(int fd, struct answer *ret_answer)
{
	uint8_t header[WIRE_HEADER_BYTES];
	int err;

	*ret_answer = (struct answer){ .fd = -1, .bell = -1 };
	err = receive_bytes(fd, header, sizeof(header), ret_answer);
	if (err == 0 && wire_header_unpack(header, WIRE_REPLY_BYTES_MAX,
					   &ret_answer->header) != 0)
		err = -EPROTO;
	if (err == 0)
		err = receive_body(fd, ret_answer);
	if (err != 0)
		answer_free(ret_answer);
	return err;
}

Memd__Hello wire_peer_hello(const char *command)
{
	Memd__Hello hello = MEMD__HELLO__INIT;

	hello.version_major = WIRE_VERSION_MAJOR;
	hello.version_minor = WIRE_VERSION_MINOR;
	hello.command = (char *)command;
	return hello;
}

/* ---- listeners */

static int listen_at(int family, const void *address, socklen_t length,
		     int backlog)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || (bind(fd, address, length) == 0 &&
		       listen(fd, backlog) == 0))
		return fd;
	close(fd);
	return -1;
}

int wire_peer_listen(const char *address)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t length = strlen(address);

	ASSERT(length < sizeof(sun.sun_path));
	memcpy(sun.sun_path, address, length);
	if (address[0] == '@')
		sun.sun_path[0] = '\0';
	return listen_at(AF_UNIX, &sun,
			 (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				     length),
			 BACKLOG);
}

int wire_peer_listen_tcp(int backlog, uint16_t *ret_port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(sin);
	int fd = listen_at(AF_INET, &sin, length, backlog);

	if (fd >= 0 &&
	    getsockname(fd, (struct sockaddr *)&sin, &length) == 0)
		*ret_port = ntohs(sin.sin_port);
	return fd;
}
