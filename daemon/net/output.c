/* SPDX-License-Identifier: MIT */
#include "daemon/net/output.h"

#include "proto/channel.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22		/* Linux 5.14, which memd needs */
#endif

enum {
	SIZE_FIRST = 4096,
	SIZE_KEPT = 64 * 1024,		/* an unused buffer larger than this is
					 * freed */
	BUFFER_BYTES_MIN = 512,		/* the kernel counts more than this for
					 * any buffer that waits in a socket:
					 * its own data structures alone are
					 * larger */
};

void output_init(struct output *out)
{
	*out = (struct output){ 0 };
}

void output_fini(struct output *out)
{
	for (unsigned i = 0; i < out->fd_count; i++)
		close(out->fds[i].fd);
	free(out->bytes);
	*out = (struct output){ 0 };
}

static void move_to_front(struct output *out)
{
	size_t moved = out->head;

	if (moved == 0)
		return;
	memmove(out->bytes, out->bytes + moved, output_length(out));
	out->tail -= moved;
	out->head = 0;
	for (unsigned i = 0; i < out->fd_count; i++)
		out->fds[i].at -= moved;
}

void *output_reserve(struct output *out, size_t length)
{
	size_t size = MAX(out->size, (size_t)SIZE_FIRST);
	uint8_t *bytes;

	if (out->size - out->tail >= length && out->bytes != NULL)
		return out->bytes + out->tail;
	move_to_front(out);
	while (size - out->tail < length)
		size *= 2;
	if (size != out->size) {
		bytes = realloc(out->bytes, size);
		if (bytes == NULL)
			return NULL;
		out->bytes = bytes;
		out->size = size;
	}
	return out->bytes + out->tail;
}

void output_commit(struct output *out, size_t length)
{
	ASSERT(length <= out->size - out->tail);
	out->tail += length;
	out->was_used = true;
}

/* Forget the descriptors that the peer has received.  Each send is one buffer
 * in the socket, and the peer reads buffers in order.  If the buffer of a
 * descriptor is unread, all later buffers are unread, too, and each counts for
 * at least BUFFER_BYTES_MIN.  (To wait until nothing is unread is not enough:
 * that may never happen while the peer is busy.) */
static void forget_received_fds(struct output *out, int socket)
{
	int unread;

	if (ioctl(socket, SIOCOUTQ, &unread) != 0)
		return;
	for (; out->fds_unread > 0; out->fds_unread--) {
		uint64_t with = out->sent_with[out->first_unread];

		if ((out->sends - with + 1) * BUFFER_BYTES_MIN <=
		    (uint64_t)unread)
			break;
		out->first_unread = (out->first_unread + 1) % OUTPUT_FDS_MAX;
	}
}

int output_attach_fd(struct output *out, int socket, int fd)
{
	int copy;

	/* Try each time, not only when the ring is full: when little is unread,
	 * most descriptors are known to be received. */
	forget_received_fds(out, socket);
	if (out->fds_unread + out->fd_count >= OUTPUT_FDS_MAX)
		return -EAGAIN;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	out->fds[out->fd_count].at = out->tail;
	out->fds[out->fd_count].fd = copy;
	out->fd_count++;
	return 0;
}

/* How many go with the next byte. */
static unsigned count_next_fds(const struct output *out)
{
	unsigned count = 0;

	while (count < out->fd_count && out->fds[count].at == out->head)
		count++;
	ASSERT(count <= OUTPUT_FDS_TOGETHER);
	return count;
}

static void put_fds(const struct output *out, unsigned count,
		    struct cmsghdr *cmsg)
{
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
	for (unsigned i = 0; i < count; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &out->fds[i].fd,
		       sizeof(int));
}

static void note_sent_fds(struct output *out, unsigned count)
{
	ASSERT(out->fds_unread + count <= OUTPUT_FDS_MAX);
	for (unsigned i = 0; i < count; i++) {
		unsigned at = out->first_unread + out->fds_unread++;

		close(out->fds[i].fd);
		out->sent_with[at % OUTPUT_FDS_MAX] = out->sends;
	}
	out->fd_count -= count;
	memmove(out->fds, out->fds + count,
		out->fd_count * sizeof(out->fds[0]));
}

/* One sendmsg(): sends up to the next byte that has a descriptor. */
static ssize_t send_some(struct output *out, int socket)
{
	union {
		char bytes[CMSG_SPACE(OUTPUT_FDS_TOGETHER * sizeof(int))];
		struct cmsghdr aligned;
	} control = { .bytes = { 0 } };
	unsigned fds = count_next_fds(out);
	size_t end = fds < out->fd_count ? out->fds[fds].at : out->tail;
	struct iovec iov = { .iov_base = out->bytes + out->head,
			     .iov_len = end - out->head };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fds > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		put_fds(out, fds, &control.aligned);
	}
	n = sendmsg(socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	out->sends++;
	note_sent_fds(out, fds);
	out->head += (size_t)n;
	return n;
}

static void output_reset(struct output *out)
{
	out->head = 0;
	out->tail = 0;
}

void output_trim(struct output *out)
{
	bool is_idle = !out->was_used;

	out->was_used = false;
	if (is_idle && output_length(out) == 0 && out->size > SIZE_KEPT) {
		free(out->bytes);
		out->bytes = NULL;
		out->size = 0;
	}
}

int output_send(struct output *out, int socket, uint64_t *ret_sent,
		uint64_t *ret_calls)
{
	while (output_length(out) > 0) {
		ssize_t n = send_some(out, socket);

		(*ret_calls)++;
		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		*ret_sent += (uint64_t)n;
	}
	output_reset(out);
	return 0;
}

int output_send_channel(struct output *out, struct channel *channel,
			uint64_t *ret_sent, uint64_t *ret_calls)
{
	ASSERT(out->fd_count == 0);
	while (output_length(out) > 0) {
		ssize_t n = channel_send(channel, out->bytes + out->head,
					 output_length(out));

		(*ret_calls)++;
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		out->head += (size_t)n;
		*ret_sent += (uint64_t)n;
	}
	output_reset(out);
	return 0;
}

/* One sendmsg() has sent `sent` bytes, first from the queue, then of the
 * payload. */
static void take_sent(struct output *out, struct iovec *payload, size_t sent)
{
	size_t head = MIN(sent, output_length(out));

	out->head += head;
	payload->iov_base = (char *)payload->iov_base + (sent - head);
	payload->iov_len -= sent - head;
}

/* Bytes that a TLS channel did not take are offered again from another address,
 * with more bytes after them. proto/channel.h allows that.  (TLS in the kernel
 * would not allow it.) */
int output_send_payload(struct output *out, struct channel *channel,
			const void *bytes, size_t length, uint64_t *ret_sent,
			uint64_t *ret_calls)
{
	struct iovec payload = { .iov_base = (void *)(uintptr_t)bytes,
				 .iov_len = length };
	void *to;

	ASSERT(out->fd_count == 0);
	while (payload.iov_len > 0) {
		struct iovec iov[2] = {
			{ .iov_base = out->bytes + out->head,
			  .iov_len = output_length(out) },
			payload,
		};
		size_t skip = iov[0].iov_len == 0 ? 1 : 0;
		ssize_t n = channel_sendv(channel, iov + skip, 2 - skip);

		(*ret_calls)++;
		if (n == -EAGAIN)
			break;
		if (n < 0)
			return (int)n;
		take_sent(out, &payload, (size_t)n);
		*ret_sent += (uint64_t)n;
	}
	if (payload.iov_len == 0 && output_length(out) == 0) {
		output_reset(out);
		return 0;
	}
	to = output_reserve(out, payload.iov_len);
	if (to == NULL)
		return -ENOMEM;
	memcpy(to, payload.iov_base, payload.iov_len);
	output_commit(out, payload.iov_len);
	return 0;
}

/* Only EFAULT and EHWPOISON say that the bytes cannot be read. */
bool output_can_read(const void *bytes, size_t length)
{
	uintptr_t at = (uintptr_t)bytes;
	uintptr_t start = at - at % (uintptr_t)getpagesize();

	return madvise((void *)start, at + length - start,
		       MADV_POPULATE_READ) == 0 ||
	       (errno != EFAULT && errno != EHWPOISON);
}
