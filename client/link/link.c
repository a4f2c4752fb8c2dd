/* SPDX-License-Identifier: MIT */
/* The link to the daemon: see link.h. */
#include "client/link/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The allowed transitions. */
static const unsigned link_next_states[] = {
	[LINK_DOWN] = BIT(LINK_HELLO) | BIT(LINK_DOWN),
	[LINK_HELLO] = BIT(LINK_UP) | BIT(LINK_DOWN),
	[LINK_UP] = BIT(LINK_DOWN),
};

static void link_enter(struct link *l, enum link_state next)
{
	ASSERT(link_next_states[l->state] & BIT(next));
	l->state = next;
}

void link_init(struct link *l)
{
	l->state = LINK_DOWN;
	l->fd = -1;
	l->fd_count = 0;
}

static void close_fds(struct link *l)
{
	while (l->fd_count > 0)
		close(l->fds[--l->fd_count]);
}

void link_drop(struct link *l, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(l->text, sizeof(l->text), format, args);
	va_end(args);
	l->error = error;
	close_fds(l);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->in_used = l->in_taken = 0;
	l->out_used = l->out_sent = 0;
	link_enter(l, LINK_DOWN);
}

/* ---- connecting */

static int connect_error(struct link *l, const struct settings *s, int error)
{
	const char *cure = "";

	if (error == ENOENT || error == ECONNREFUSED)
		cure = ": start it (systemctl start memd), or say where it "
		       "is with MEMCLIENT_ADDRESS";
	else if (error == EACCES || error == EPERM)
		cure = ": you need the right to write to the socket "
		       "(group memd)";
	else if (error == EAGAIN)
		cure = ": too many connect to it at once";
	link_drop(l, -error, "cannot reach a daemon at %s: %s%s", s->shown,
		  strerrordesc_np(error), cure);
	return -error;
}

/* connect() of a Unix socket waits for room in the listener's queue, at most
 * for SO_SNDTIMEO, and then fails with EAGAIN.  Returns 0 or an errno
 * number. */
static int connect_within(const struct link *l, const struct settings *s,
			  uint64_t wait_ns)
{
	struct timeval tv = {
		.tv_sec = (time_t)(wait_ns / 1000000000u),
		.tv_usec = (suseconds_t)(wait_ns % 1000000000u / 1000u),
	};

	if (wait_ns > 0 && setsockopt(l->fd, SOL_SOCKET, SO_SNDTIMEO, &tv,
				      sizeof(tv)) != 0)
		return errno;
	if (connect(l->fd, (const struct sockaddr *)&s->address,
		    s->address_bytes) != 0)
		return errno;
	return wait_ns > 0 && fcntl(l->fd, F_SETFL, O_NONBLOCK) != 0 ? errno :
								       0;
}

int link_connect(struct link *l, const struct settings *s,
		 uint64_t capabilities, uint64_t wait_ns)
{
	Memd__Hello hello = MEMD__HELLO__INIT;
	int error;

	ASSERT(l->state == LINK_DOWN);
	l->connect_count++;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
		       (wait_ns == 0 ? SOCK_NONBLOCK : 0), 0);
	error = l->fd < 0 ? errno : connect_within(l, s, wait_ns);
	if (error != 0)
		return connect_error(l, s, error);
	link_enter(l, LINK_HELLO);
	hello.version_major = WIRE_VERSION_MAJOR;
	hello.version_minor = WIRE_VERSION_MINOR;
	hello.has_capabilities = 1;
	hello.capabilities = capabilities;
	hello.command = (char *)s->command;
	hello.has_most_frames = 1;
	hello.most_frames = s->most_frames;
	return link_send(l, MEMD__MESSAGE_TYPE__TYPE_HELLO, 1, &hello.base);
}

static ProtobufCMessage *
unpack_body(struct link *l, const struct link_message *message,
	    const ProtobufCMessageDescriptor *descriptor)
{
	struct wire_arena arena;

	wire_arena_init(&arena, l->arena, sizeof(l->arena));
	return wire_unpack(descriptor, &arena, message->body,
			   message->header.body_bytes);
}

void link_finish_hello(struct link *l, const struct link_message *message)
{
	Memd__HelloReply *reply = NULL;
	Memd__Error *error;
	char text[ERRORS_TEXT_BYTES - 32];

	if (message->header.type == MEMD__MESSAGE_TYPE__TYPE_ERROR) {
		error = (void *)unpack_body(l, message,
					    &memd__error__descriptor);
		errors_copy(text, sizeof(text),
			    error != NULL ? error->text : "no reason given");
		link_drop(l, errors_from_wire(error ? error->code : 0),
			  "the daemon refused: %s", text);
		return;
	}
	if (message->header.version_major != WIRE_VERSION_MAJOR) {
		link_drop(l, -EPROTONOSUPPORT, "the daemon speaks version %u "
			  "of the protocol, this library version %d: install "
			  "the same release of both",
			  message->header.version_major, WIRE_VERSION_MAJOR);
		return;
	}
	if (message->header.type == MEMD__MESSAGE_TYPE__TYPE_HELLO_REPLY)
		reply = (void *)unpack_body(l, message,
					    &memd__hello_reply__descriptor);
	if (reply == NULL) {
		link_drop(l, -EPROTO, "the server is not a memd daemon");
		return;
	}
	l->capabilities = reply->capabilities;
	link_enter(l, LINK_UP);
}

/* ---- sending */

static uint8_t *out_room(struct link *l, size_t *ret_bytes)
{
	if (l->out_sent > 0) {
		memmove(l->out, l->out + l->out_sent,
			l->out_used - l->out_sent);
		l->out_used -= l->out_sent;
		l->out_sent = 0;
	}
	*ret_bytes = sizeof(l->out) - l->out_used;
	return l->out + l->out_used;
}

int link_send(struct link *l, uint16_t type, uint64_t request_id,
	      const ProtobufCMessage *message)
{
	size_t room_bytes;
	uint8_t *room = out_room(l, &room_bytes);
	ssize_t packed;

	if (l->state == LINK_DOWN)
		return -ENOTCONN;
	packed = wire_pack(type, request_id, message, 0, room, room_bytes);
	if (packed < 0)
		return -EAGAIN;
	l->out_used += (size_t)packed;
	return 0;
}

int link_send_packed(struct link *l, uint16_t type, uint64_t request_id,
		     const void *body, size_t body_bytes)
{
	struct wire_header h = {
		.version_major = WIRE_VERSION_MAJOR,
		.version_minor = WIRE_VERSION_MINOR,
		.type = type,
		.request_id = request_id,
		.body_bytes = (uint32_t)body_bytes,
	};
	size_t room_bytes;
	uint8_t *room = out_room(l, &room_bytes);

	if (l->state == LINK_DOWN)
		return -ENOTCONN;
	if (room_bytes < WIRE_HEADER_BYTES + body_bytes)
		return -EAGAIN;
	wire_header_pack(&h, room);
	memcpy(room + WIRE_HEADER_BYTES, body, body_bytes);
	l->out_used += WIRE_HEADER_BYTES + body_bytes;
	return 0;
}

int link_send_fds(struct link *l, uint16_t type, const int *fds,
		  unsigned count)
{
	union {
		char bytes[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
		struct cmsghdr aligned;
	} control = { .bytes = { 0 } };
	uint8_t packed[WIRE_HEADER_BYTES];
	struct iovec iov = { packed, sizeof(packed) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = CMSG_SPACE(count *
							 sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	ssize_t n = wire_pack(type, 0, NULL, 0, packed, sizeof(packed));

	ASSERT(n == sizeof(packed) && count <= WIRE_FDS_MAX &&
	       !link_has_output(l));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	do
		n = sendmsg(l->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(packed))
		return 0;
	link_drop(l, -ENOTCONN, "cannot give the daemon a copy of the "
		  "userfaultfd: %s", n < 0 ? strerrordesc_np(errno) :
		  "no room");
	return -ENOTCONN;
}

void link_flush(struct link *l)
{
	while (l->state != LINK_DOWN && link_has_output(l)) {
		ssize_t n = send(l->fd, l->out + l->out_sent,
				 l->out_used - l->out_sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			link_drop(l, -ENOTCONN, "the daemon is gone: %s",
				  strerrordesc_np(errno));
		else
			l->out_sent += (size_t)n;
	}
}

/* ---- receiving */

static void keep_fds(struct link *l, struct cmsghdr *c, bool is_whole)
{
	size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
		if (is_whole && l->fd_count < WIRE_FDS_MAX)
			l->fds[l->fd_count++] = fd;
		else
			close(fd);
	}
}

/* The descriptors of a message may be cut short: too many were sent, or this
 * process may have no more.  Then all of them are closed, and the code that
 * needs one reports the error. */
static void take_fds(struct link *l, struct msghdr *m)
{
	bool is_whole = (m->msg_flags & MSG_CTRUNC) == 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
	     c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			keep_fds(l, c, is_whole);
}

void link_receive(struct link *l)
{
	union {
		char bytes[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
		struct cmsghdr aligned;
	} control;
	struct iovec iov;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n;

	memmove(l->in, l->in + l->in_taken, l->in_used - l->in_taken);
	l->in_used -= l->in_taken;
	l->in_taken = 0;
	iov.iov_base = l->in + l->in_used;
	iov.iov_len = sizeof(l->in) - l->in_used;
	n = recvmsg(l->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		link_drop(l, -ENOTCONN, "the daemon is gone: %s", n == 0 ?
			  "it closed the connection" : strerrordesc_np(errno));
		return;
	}
	l->in_used += (size_t)n;
	take_fds(l, &m);
}

bool link_next(struct link *l, struct link_message *ret_message)
{
	size_t have = l->in_used - l->in_taken;
	const uint8_t *at = l->in + l->in_taken;
	struct link_message message = { .body = at + WIRE_HEADER_BYTES };
	int err;

	if (l->state == LINK_DOWN || have < WIRE_HEADER_BYTES)
		return false;
	err = wire_header_unpack(at, WIRE_BODY_BYTES_MAX, &message.header);
	if (err != 0 || message.header.payload_bytes != 0) {
		link_drop(l, -EPROTO, "the server is not a memd daemon, or "
			  "it sent garbage");
		return false;
	}
	if (have < WIRE_HEADER_BYTES + (size_t)message.header.body_bytes)
		return false;
	l->in_taken += WIRE_HEADER_BYTES + (size_t)message.header.body_bytes;
	*ret_message = message;
	return true;
}

ProtobufCMessage *link_unpack(struct link *l,
			      const struct link_message *message,
			      const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage *m = unpack_body(l, message, descriptor);

	if (m == NULL)
		link_drop(l, -EPROTO, "the daemon sent a malformed %s",
			  descriptor->short_name);
	return m;
}

int link_take_fd(struct link *l)
{
	int fd;

	if (l->fd_count == 0)
		return -1;
	fd = l->fds[0];
	l->fd_count--;
	memmove(l->fds, l->fds + 1, l->fd_count * sizeof(l->fds[0]));
	return fd;
}
